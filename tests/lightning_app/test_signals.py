"""SIGTERM, without other processes: those are in tests/test_cell_cli.py and tests/faults."""

import os
import signal
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.demos.boring_classes import BoringModel
from pytorch_lightning.strategies import SingleDeviceStrategy
from pytorch_lightning.utilities.exceptions import SIGTERMException

from lightning_app.signals import AGREED, StopTogether


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
    limit = 0 if what == "fit" else 1.0
    trainer = pl.Trainer(**quiet, callbacks=[StopTogether()], limit_val_batches=limit)
    with pytest.raises(SIGTERMException):
        getattr(trainer, what)(model)
    assert model.steps == 3


OTHER = torch.tensor([0.0, 0.25])  # not asked to stop; a step takes it a quarter of a second


class TwoProcesses(SingleDeviceStrategy):
    """One process that takes itself for one of two; the other always answers `OTHER`."""

    def __init__(self) -> None:
        super().__init__("cpu")
        self.told: list[float] = []
        """This process's answers."""

    def all_gather(self, tensor: torch.Tensor, *_: Any) -> torch.Tensor:  # type: ignore[override]
        self.told.append(float(tensor[0]))
        return torch.stack([OTHER, tensor])


@pytest.fixture
def fit(quiet: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[float]]:
    """Fit by one of two processes until it is stopped; its answers."""

    def run(model: BoringModel, **arguments: Any) -> list[float]:
        strategy = TwoProcesses()
        trainer = pl.Trainer(
            **quiet | arguments, callbacks=[StopTogether()], strategy=strategy, limit_val_batches=0
        )
        monkeypatch.setattr(pl.Trainer, "world_size", 2)
        with pytest.raises(SIGTERMException, match=AGREED):
            trainer.fit(model)
        return strategy.told

    return run


def test_of_several_each_is_asked_before_a_step(
    fit: Callable[..., list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No collective in the handler, and no process stops before all know."""
    monkeypatch.setattr("lightning_app.signals.time.monotonic", count(step=2).__next__)
    model = Stopped()
    assert fit(model) == [0, 0, 0, 1]  # before the epoch, and each step
    assert model.steps == 3


@pytest.mark.parametrize(
    ("seconds", "other", "questions"), [(2, 0.25, 60), (0.25, 0.25, 15), (0.001, 0.001, 6)]
)
def test_all_are_asked_about_once_a_second(
    fit: Callable[..., list[float]],
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    other: float,
    questions: int,
) -> None:
    """By the clock of the slowest, and at least before every tenth step."""
    now = 0.0
    monkeypatch.setattr("lightning_app.signals.time.monotonic", lambda: now)
    monkeypatch.setitem(globals(), "OTHER", torch.tensor([0.0, other]))

    class Timed(BoringModel):
        def training_step(self, batch: torch.Tensor, batch_idx: int) -> Any:
            nonlocal now
            now += seconds
            return super().training_step(batch, batch_idx)

        def on_train_epoch_end(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    told = fit(Timed(), limit_train_batches=60)
    assert len(told) - questions in range(4)  # one each before, after the first step, and after
    assert told[-1] == 1  # or a SIGTERM in the last step, or in a validation, would be forgotten
    assert sum(told) == 1
