"""A moving average of the weights that short trainings can use too."""

from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor


class ExponentialMovingAverage(WeightAveraging):
    """Average the weights over the steps; the average is validated, tested and saved.

    After n averaged steps the average decays by min(`decay`, (1 + n)/(10 + n)), so that a training
    of few steps does not end near its initialisation (as in TensorFlow's
    `ExponentialMovingAverage` with `num_updates`). Buffers, such as running statistics, are
    averaged as well.

    Args:
        decay: share of the average that stays at each step, after the warm-up, in [0, 1).

    Raises:
        ValueError: `decay` out of range.
    """

    def __init__(self, decay: float = 0.9999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay: expected a value in [0, 1), got {decay}")

        def average(averaged: Tensor, current: Tensor, steps: Tensor | int) -> Tensor:
            share = min(decay, (1 + int(steps)) / (10 + int(steps)))
            return share * averaged + (1 - share) * current  # of whole numbers too

        super().__init__(avg_fn=average)
