"""What Lightning costs: training a DAG-MLP with it, against a bare loop over the same tensors.

An epoch of one runs beside an epoch of the other, in one process, so that a machine that is busy
slows both.
"""

from collections.abc import Iterator

import torch
from _measure import Bench, Cost, Result, main, summarise
from torch import Tensor
from torch.nn import functional as F

from datamodules import MNISTDataModule
from datamodules.dataset import MemorySource
from models import DagMLPClassifier
from models.networks import DagMLP

DAG, BATCH = "2_21_112", 128


class RandomMNIST(MNISTDataModule):
    """Noise of MNIST's shape, without files."""

    def __init__(self, count: int) -> None:
        super().__init__("data", batch_size=BATCH, validation=0)
        self.count = count

    def load(self, part: str) -> MemorySource:
        """Pixels and labels."""
        generator = torch.Generator().manual_seed(0)
        shape = (self.count, 1, 28, 28)
        images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        return MemorySource(images, torch.randint(0, 10, (self.count,), generator=generator))


class BareLoop:
    """What one writes by hand."""

    def __init__(self, network: DagMLP, images: Tensor, labels: Tensor) -> None:
        self.network, self.images, self.labels = network, images, labels
        self.optimizer = torch.optim.SGD(network.parameters(), lr=1e-5)

    def epoch(self) -> tuple[float, float]:
        """Train on all images once: mean loss and accuracy."""
        device = self.images.device
        loss_sum = torch.zeros((), device=device)
        correct = torch.zeros((), dtype=torch.long, device=device)
        for indices in torch.randperm(len(self.labels), device=device).split(BATCH):
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
    """The classifier, with a clock around each of its epochs and around the bare loop's."""

    bare: BareLoop
    bench: Bench

    def on_fit_start(self) -> None:
        """No epoch has run."""
        self.ours: list[Cost] = []
        self.theirs: list[Cost] = []

    def on_train_epoch_start(self) -> None:
        """The other's epoch, then the start of this one's."""
        self.theirs.append(self.bench.time(self.bare.epoch))
        self.stop_clock = self.bench.start()

    def on_train_epoch_end(self) -> None:
        """The end of this one's."""
        super().on_train_epoch_end()
        self.ours.append(self.stop_clock())


def epochs(bench: Bench, width: int, images: int, count: int) -> Paired:
    """A fit of some epochs after one that warms up."""
    data = RandomMNIST(images)
    source = data.dataset("train").source
    network = DagMLP(DAG, data.in_shape, width, data.num_classes).to(bench.device)
    model = Paired(DAG, data.in_shape, data.num_classes, width=width)
    model.bare = BareLoop(network, source.images.to(bench.device), source.labels.to(bench.device))
    model.bench = bench
    bench.trainer(max_epochs=1 + count, limit_val_batches=0).fit(model, data)
    del model.ours[0], model.theirs[0]
    return model


def measure(bench: Bench) -> Iterator[Result]:
    """Epochs of MNIST's size at width 256, and shorter ones at other widths."""
    width, images, count = bench.pick((256, 20_000, 5), (8, 512, 1))
    widths, fewer = bench.pick(((64, 128, 256, 512), 6_000), ((8, 16), 256))
    growth = {size: epochs(bench, size, fewer, bench.pick(3, 1)).ours for size in widths}
    compared = epochs(bench, width, images, count)
    yield summarise(
        f"an epoch of DAG-MLP {DAG}, width {width}, {images:,} images, batch {BATCH}",
        "a bare loop",
        bench.clock,
        compared.ours,
        compared.theirs,
        "width",
        growth,
    )


if __name__ == "__main__":
    main("training", measure)
