"""Loss and accuracy of every member of a population."""

import math

import torch
from torch import Tensor
from torchmetrics import Metric


class PopulationMetrics(Metric):
    """Mean loss and accuracy over samples, for each of K networks.

    Args:
        members: K.
    """

    higher_is_better = None
    full_state_update = False
    loss: Tensor
    correct: Tensor
    count: Tensor

    def __init__(self, members: int) -> None:
        super().__init__()
        self.add_state("loss", torch.zeros(members, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("correct", torch.zeros(members, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch: mean losses (K,), logits (K, N, C), and labels (N,)."""
        self.loss += loss.detach() * len(labels)
        self.correct += (logits.detach().argmax(2) == labels).sum(1)
        self.count += len(labels)

    def not_finite(self) -> tuple[int, float] | None:
        """(0, NaN) once the loss of every member has been infinite or NaN, else None.

        One member's is its own affair: the others train on.
        """
        return None if self.loss.isfinite().any() else (0, math.nan)

    def compute(self) -> dict[str, Tensor]:
        """`loss` (lower is better) and `accuracy` (in [0, 1], higher is better), each (K,)."""
        return {
            "loss": (self.loss / self.count).float(),
            "accuracy": self.correct / self.count,
        }
