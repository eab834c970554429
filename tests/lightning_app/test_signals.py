"""SIGTERM, without other processes: those are in tests/test_cell_cli.py and tests/faults."""

import os
import signal
from itertools import count
from typing import Any

import pytest
import torch
from pytorch_lightning.demos.boring_classes import BoringModel
from pytorch_lightning.strategies import SingleDeviceStrategy
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.exceptions import SIGTERMException

from lightning_app.signals import AGREED, AgreedSignalConnector
from lightning_app.trainer import ArchitectureTrainer


class Stopped(BoringModel):
    """Gets a SIGTERM in its third step, of training and of validation."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def count(self) -> None:
        self.steps += 1
        if self.steps == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> Any:
        self.count()
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> Any:
        self.count()
        return super().validation_step(batch, batch_idx)

    def predict_step(self, batch: torch.Tensor, batch_idx: int) -> Any:
        self.count()
        return self(batch)


@pytest.mark.parametrize("what", ["fit", "validate", "predict"])
def test_one_process_stops_after_the_step(quiet: dict[str, Any], what: str) -> None:
    model = Stopped()
    trainer = ArchitectureTrainer(**quiet, limit_val_batches=0 if what == "fit" else 1.0)
    with pytest.raises(SIGTERMException):
        getattr(trainer, what)(model)
    assert model.steps == 3


OTHER = torch.tensor([0.0, 0.25])  # not asked to stop; a step takes it a quarter of a second


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What this process answers each time that all are asked; the other answers `OTHER`."""
    answers: list[float] = []

    def all_gather(self: Any, tensor: torch.Tensor, *_: Any) -> torch.Tensor:
        answers.append(float(tensor[0]))
        return torch.stack([OTHER, tensor])

    monkeypatch.setattr(SingleDeviceStrategy, "all_gather", all_gather)
    return answers


def test_of_several_each_is_asked_before_the_next_step(
    quiet: dict[str, Any], monkeypatch: pytest.MonkeyPatch, told: list[float]
) -> None:
    """No collective in the handler, and no process stops before all know."""
    trainer = ArchitectureTrainer(**quiet)
    trainer.state.fn = TrainerFn.FITTING
    monkeypatch.setattr(ArchitectureTrainer, "world_size", 2)
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.broadcast", None)
    monkeypatch.setattr("lightning_app.signals.time.monotonic", count(step=2).__next__)
    trainer._signal_connector = AgreedSignalConnector(trainer)
    before_each_step = trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor
    before_each_step()
    trainer._signal_connector._sigterm_notifier_fn(signal.SIGTERM, None)
    assert not trainer.received_sigterm  # or the loop would stop this process alone
    with pytest.raises(SIGTERMException):
        before_each_step()
    assert told == [0, 1]


@pytest.mark.parametrize(
    ("seconds", "other", "questions"),
    [(2, 0.25, 60), (0.25, 0.25, 15), (0.001, 0.25, 15), (0.001, 0.5, 30), (0.001, 0.001, 6)],
)
def test_all_are_asked_about_once_a_second(
    quiet: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    told: list[float],
    seconds: float,
    other: float,
    questions: int,
) -> None:
    """By the clock of the slowest, and at least before every tenth step."""
    trainer = ArchitectureTrainer(**quiet)
    now = 0.0
    monkeypatch.setattr("lightning_app.signals.time.monotonic", lambda: now)
    monkeypatch.setitem(globals(), "OTHER", torch.tensor([0.0, other]))
    trainer._signal_connector = AgreedSignalConnector(trainer)
    for _ in range(60):
        now += seconds
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor()
    # the first step of a run is always asked
    assert len(told) - questions in (0, 1)


def test_of_several_each_is_asked_after_an_epoch(
    quiet: dict[str, Any], monkeypatch: pytest.MonkeyPatch, told: list[float]
) -> None:
    """Or a SIGTERM in the last step, or in the validation after it, would be forgotten."""
    trainer = ArchitectureTrainer(**quiet, limit_train_batches=3, limit_val_batches=0)
    model = BoringModel()

    def asked_at_the_end() -> None:
        monkeypatch.setattr(ArchitectureTrainer, "world_size", 2)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(model, "on_train_epoch_end", asked_at_the_end)
    with pytest.raises(SIGTERMException, match=AGREED):
        trainer.fit(model)
    assert trainer.global_step == 3
    assert told == [1]
