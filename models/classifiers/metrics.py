"""Loss and accuracy of one stage of training."""

from typing import Protocol

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric
from torchmetrics.classification import MulticlassAccuracy

_ENTRIES = 2**24
"""int64 of memory: torchmetrics takes N·C² to count deterministically, so that N is bounded."""


class EpochMetrics(Protocol):
    """Figures of a stage, as a classifier asks for them."""

    def update(self, loss: Tensor, logits: Tensor, labels: Tensor, /) -> None:
        """Add a batch: its loss, logits and labels."""
        ...

    def not_finite(self) -> tuple[int, float] | None:
        """Return how many batches ago a loss was NaN or infinite, and which; training ends."""
        ...

    def compute(self) -> dict[str, Tensor]:
        """The figures by name."""
        ...

    def reset(self) -> None:
        """Start anew."""
        ...


class ClassificationMetrics(nn.Module):
    """Mean loss, accuracy over samples, and mean over classes of each class's accuracy.

    A step only leaves its loss, predictions and labels behind; the metrics see them at the end of
    the epoch, all at once, and gather them over ranks. A small network's step takes a millisecond
    or two, and the updates of three metrics would add a third of one.

    Args:
        num_classes: labels are below it.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self._num_classes = num_classes
        self.loss = MeanMetric()
        self.accuracies = nn.ModuleDict(
            {
                "accuracy": MulticlassAccuracy(num_classes, average="micro"),
                "class_accuracy": MulticlassAccuracy(num_classes, average="macro"),
            }
        )
        self._seen: list[tuple[Tensor, Tensor, Tensor]] = []
        self._finite = 0  # batches of which the loss is known to be finite

    def update(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Keep what a batch shows: its mean loss, logits (N, C), and labels (N,)."""
        self._seen.append((loss.detach(), logits.detach().argmax(1), labels))

    def not_finite(self) -> tuple[int, float] | None:
        """Return how many batches ago a loss was first infinite or NaN (0: the last), and which.

        Looks at the losses since the last call, all at once: one by one, a GPU would have to finish
        every step first.
        """
        losses = [loss for loss, _, _ in self._seen[self._finite :]]
        if not losses:
            return None
        found = torch.stack(losses).isfinite().logical_not().nonzero()
        if len(found):
            first = int(found[0])
            return len(losses) - 1 - first, float(losses[first])
        self._finite = len(self._seen)
        return None

    def compute(self) -> dict[str, Tensor]:
        """`loss` (lower is better), `accuracy` and `class_accuracy` (in [0, 1], higher is better).

        `class_accuracy` is torchmetrics' macro average: a class that neither occurs nor is
        predicted does not count.

        Starts anew: what was kept is dropped.
        """
        losses, predictions, labels = zip(*self._seen, strict=True)
        self.reset()
        sizes = torch.tensor([len(batch) for batch in labels], device=losses[0].device)
        self.loss.update(torch.stack(losses), sizes)
        size = max(1, _ENTRIES // self._num_classes**2)
        if not torch.are_deterministic_algorithms_enabled():
            size = int(sizes.sum())
        metrics: dict[str, Metric] = {"loss": self.loss}
        for name, metric in self.accuracies.items():
            assert isinstance(metric, Metric)
            chunks = (torch.split(torch.cat(part), size) for part in (predictions, labels))
            for chunk in zip(*chunks, strict=True):
                metric.update(*chunk)
            metrics[name] = metric
        values: dict[str, Tensor] = {name: metric.compute() for name, metric in metrics.items()}
        for metric in metrics.values():
            metric.reset()
        return values

    def reset(self) -> None:
        """Drop what an interrupted epoch left."""
        self._seen.clear()
        self._finite = 0
