"""The moving average of the weights."""

from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.demos.boring_classes import BoringModel

from callbacks import ExponentialMovingAverage


class Watched(BoringModel):
    """Keeps its weights after every step, and has a whole number among its buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.tensor(0))
        self.weights: list[torch.Tensor] = []

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> Any:
        self.seen += 1
        return super().training_step(batch, batch_idx)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        self.weights.append(self.layer.weight.detach().double().clone())


@pytest.mark.parametrize("decay", [0.3, 0.9999])
def test_the_average_warms_up(trainer: Callable[..., pl.Trainer], decay: float) -> None:
    model = Watched()
    averaging = ExponentialMovingAverage(decay)
    trainer(callbacks=[averaging], limit_train_batches=20, limit_val_batches=0).fit(model)
    expected = model.weights[0]  # the first step is the first average
    for steps, weights in enumerate(model.weights[1:], start=1):
        share = min(decay, (1 + steps) / (10 + steps))
        expected = share * expected + (1 - share) * weights
    torch.testing.assert_close(model.layer.weight.double(), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_decay(decay: float) -> None:
    with pytest.raises(ValueError, match=r"decay: expected a value in \[0, 1\), got"):
        ExponentialMovingAverage(decay)
