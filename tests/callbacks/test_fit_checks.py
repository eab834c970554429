"""Settings that do not go together."""

from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.demos.boring_classes import BoringModel
from torch.optim.lr_scheduler import CosineAnnealingLR

from callbacks import FitChecks
from models.schedulers import WarmupLinear

Trainers = Callable[..., pl.Trainer]


class Scheduled(BoringModel):
    def __init__(self, schedule: Callable[[Any], Any]) -> None:
        super().__init__()
        self.schedule = schedule

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        return [optimizer], [self.schedule(optimizer)]


@pytest.mark.parametrize("length", [10, 9])
@pytest.mark.parametrize(
    ("schedule", "name"),
    [(CosineAnnealingLR, "T_max"), (lambda o, n: WarmupLinear(o, n, 1), "epochs")],
)
def test_a_schedule_ends_with_the_training(
    trainer: Trainers, schedule: Any, name: str, length: int, recwarn: pytest.WarningsRecorder
) -> None:
    model = Scheduled(lambda optimizer: schedule(optimizer, length))
    limits = {"limit_train_batches": 2, "limit_val_batches": 0}
    trainer(max_epochs=10, callbacks=[FitChecks()], **limits).fit(model)
    said = [str(one.message) for one in recwarn if "model.scheduler" in str(one.message)]
    expected = f"model.scheduler: {name} is 9, but trainer.max_epochs is 10: the schedule does not"
    assert [line[: len(expected)] for line in said] == ([] if length == 10 else [expected])


def test_one_batch_of_all_images(trainer: Trainers) -> None:
    class Large(BoringModel):
        def train_dataloader(self) -> Any:
            return torch.utils.data.DataLoader(torch.randn(3, 32), batch_size=100)

    with pytest.warns(UserWarning, match="data.batch_size: one batch holds all images"):
        trainer(callbacks=[FitChecks()], limit_val_batches=0).fit(Large())


@pytest.mark.parametrize("limit", [{"limit_train_batches": 0}, {"max_epochs": 0}])
def test_a_fit_without_a_step(trainer: Trainers, limit: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="trainer: no training step was taken; max_epochs"):
        trainer(callbacks=[FitChecks()], **limit).fit(BoringModel())
