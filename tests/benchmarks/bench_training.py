"""What Lightning costs: training a DAG-MLP with it, against a bare loop over the same tensors.

An epoch of one runs beside an epoch of the other, in one process; the ratio is the median over
pairs, so that a machine that is busy slows both.
"""

import argparse
import platform
import warnings
from statistics import median
from time import perf_counter, process_time
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import functional as F

from datamodules import MNISTDataModule
from datamodules.dataset import MemorySource
from models import DagMLPClassifier
from models.networks import DagMLP


class RandomMNIST(MNISTDataModule):
    """Noise in the place of MNIST: the same shapes, without files."""

    def load(self, part: str) -> MemorySource:
        generator = torch.Generator().manual_seed(0)
        size = 60_000 if part == "train" else 10_000
        images = torch.randint(0, 256, (size, 1, 28, 28), dtype=torch.uint8, generator=generator)
        return MemorySource(images, torch.randint(0, 10, (size,), generator=generator))


class BareLoop:
    """What one writes by hand."""

    def __init__(self, network: DagMLP, images: Tensor, labels: Tensor, batch_size: int) -> None:
        self.network = network
        self.images, self.labels, self.batch_size = images, labels, batch_size
        self.optimizer = torch.optim.SGD(network.parameters(), lr=1e-5)

    def epoch(self) -> tuple[float, float]:
        """Train on all images once: mean loss and accuracy."""
        loss_sum, correct = torch.zeros(()), torch.zeros((), dtype=torch.long)
        for indices in torch.randperm(len(self.labels)).split(self.batch_size):
            images, labels = self.images[indices], self.labels[indices]
            logits = self.network((images.float() / 255 - 0.1307) / 0.3081)
            loss = F.cross_entropy(logits, labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            loss_sum += loss.detach() * len(labels)
            correct += (logits.argmax(1) == labels).sum()
        return float(loss_sum) / len(self.labels), float(correct) / len(self.labels)


class Paired(DagMLPClassifier):
    """The classifier, and the clock around each of its epochs and of the bare loop's."""

    bare: BareLoop
    seconds: dict[str, list[tuple[float, float]]]

    def on_train_epoch_start(self) -> None:
        start = perf_counter(), process_time()
        self.bare.epoch()
        self.note("bare", start)
        self.start = perf_counter(), process_time()

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        self.note("lightning", self.start)

    def note(self, name: str, start: tuple[float, float]) -> None:
        self.seconds[name].append((perf_counter() - start[0], process_time() - start[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dag", default="2_21_112")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=9, help="pairs; the first warms up")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")

    data = RandomMNIST(batch_size=args.batch_size, validation=0)
    source = data.dataset("train").source
    assert isinstance(source, MemorySource)
    network = DagMLP(args.dag, data.in_shape, args.width, data.num_classes)
    model = Paired(args.dag, data.in_shape, data.num_classes, width=args.width)
    model.bare = BareLoop(network, source.images, source.labels, args.batch_size)
    model.seconds = {"bare": [], "lightning": []}
    quiet: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False
    )
    pl.Trainer(accelerator="cpu", max_epochs=args.epochs, limit_val_batches=0, **quiet).fit(
        model, data
    )
    bare, ours = (model.seconds[name][1:] for name in ("bare", "lightning"))
    print(f"{platform.platform()}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(
        f"DAG {args.dag}, width {args.width}, batch {args.batch_size}, {len(bare)} pairs of epochs"
    )
    for clock, name in enumerate(("wall", "CPU")):
        ratios = [b[clock] / a[clock] for a, b in zip(bare, ours, strict=True)]
        print(
            f"{name} seconds per epoch: bare {median(a[clock] for a in bare):.2f}, "
            f"Lightning {median(b[clock] for b in ours):.2f}; ratio {median(ratios):.3f} "
            f"(of pairs {min(ratios):.3f} to {max(ratios):.3f})"
        )


if __name__ == "__main__":
    main()
