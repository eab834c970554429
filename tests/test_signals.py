"""SIGTERM, without other processes: those are in tests/test_cell_cli.py and tests/faults."""

import os
import signal
from typing import Any

import pytest
import torch
from pytorch_lightning.demos.boring_classes import BoringModel
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.exceptions import SIGTERMException

from lightning_app.signals import AGREED
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


def test_of_several_each_is_asked_before_the_next_step(
    quiet: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No collective in the handler, and no process stops before all know."""
    trainer = ArchitectureTrainer(**quiet)
    trainer.state.fn = TrainerFn.FITTING
    monkeypatch.setattr(ArchitectureTrainer, "world_size", 2)
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.broadcast", None)
    asked: list[bool] = []

    def reduce(decision: bool, all: bool) -> bool:
        asked.append(decision)
        return decision and not all

    monkeypatch.setattr(trainer.strategy, "reduce_boolean_decision", reduce)
    before_each_step = trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor
    before_each_step()
    trainer._signal_connector._sigterm_notifier_fn(signal.SIGTERM, None)
    assert not trainer.received_sigterm  # or the loop would stop this process alone
    with pytest.raises(SIGTERMException):
        before_each_step()
    assert asked == [False, True]


def test_of_several_each_is_asked_after_an_epoch(
    quiet: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a SIGTERM in the last step, or in the validation after it, would be forgotten."""
    trainer = ArchitectureTrainer(**quiet, limit_train_batches=3, limit_val_batches=0)
    monkeypatch.setattr(trainer.strategy, "reduce_boolean_decision", lambda asked, all: asked)
    model = BoringModel()

    def asked_at_the_end() -> None:
        monkeypatch.setattr(ArchitectureTrainer, "world_size", 2)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(model, "on_train_epoch_end", asked_at_the_end)
    with pytest.raises(SIGTERMException, match=AGREED):
        trainer.fit(model)
    assert trainer.global_step == 3
