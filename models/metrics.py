"""Loss and accuracy of one stage of training, in one metric."""

import torch
from torch import Tensor
from torchmetrics import Metric


class ClassificationMetrics(Metric):
    """Mean loss, accuracy over samples, and mean over classes of each class's accuracy.

    One state for the three figures, since a small network's step takes a millisecond or two and
    each library metric's update a tenth of that.

    Args:
        num_classes: labels are below it.
    """

    higher_is_better = None
    full_state_update = False
    loss: Tensor
    correct: Tensor
    count: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.add_state("loss", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("correct", torch.zeros(num_classes, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(num_classes, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch: its mean loss, logits (N, C), and labels (N,)."""
        self.loss += loss.detach() * len(labels)
        hits = logits.detach().argmax(1) == labels
        self.correct.index_add_(0, labels, hits.long())
        self.count.index_add_(0, labels, torch.ones_like(labels))

    def compute(self) -> dict[str, Tensor]:
        """`loss` (lower is better), `accuracy` and `class_accuracy` (in [0, 1], higher is better).

        Classes without a sample do not enter `class_accuracy`.
        """
        seen = self.count > 0
        total = self.count.sum()
        return {
            "loss": (self.loss / total).float(),
            "accuracy": self.correct.sum() / total,
            "class_accuracy": (self.correct[seen] / self.count[seen]).mean(),
        }
