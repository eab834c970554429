"""Loading images: ours against torchvision's per-image transforms, and against a bare loop.

Run `python tests/benchmarks/bench_data.py`; all ratios come from one run. CIFAR-10 itself is not
needed: its files are replaced by random pixels of the same size in the same format.
"""

import argparse
import os
import platform
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torchvision
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import CIFAR10

from datamodules import (
    CIFAR10DataModule,
    ImageFolderDataModule,
    ImageNet16DataModule,
    imagenet16_cache,
)
from datamodules.dataset import MemorySource
from datamodules.files import write_text

BATCH = 128


class RandomCIFAR10(CIFAR10DataModule):
    """CIFAR-10 with random pixels."""

    def load(self, part: str) -> MemorySource:
        images = torch.randint(0, 256, (50_000, 3, 32, 32), dtype=torch.uint8)
        return MemorySource(images, torch.arange(50_000) % 10)


class Cost(NamedTuple):
    """Seconds on the clock and of the processors, workers included."""

    wall: float
    cpu: float


def cost(run: Callable[[], Iterable[object]], repeats: int = 3) -> Cost:
    """The least of several epochs: the one least disturbed."""
    costs = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), sum(os.times()[:4])
        for _ in run():
            pass
        costs.append((time.perf_counter() - wall, sum(os.times()[:4]) - cpu))
    return Cost(*map(min, zip(*costs, strict=True)))


def torchvision_epoch(data: RandomCIFAR10, num_workers: int) -> DataLoader[object]:
    """The usual: PIL images, transformed one by one in workers."""
    source = data.dataset("train").source
    dataset = CIFAR10.__new__(CIFAR10)
    dataset.data = source.images.permute(0, 2, 3, 1).contiguous().numpy()
    dataset.targets = source.labels.tolist()
    dataset.target_transform = None
    dataset.transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(data.mean, data.std),
        ]
    )
    return DataLoader(dataset, BATCH, shuffle=True, num_workers=num_workers)


def compare_epochs() -> None:
    data = RandomCIFAR10("data", validation=0, augment="crop+flip", batch_size=BATCH)
    loader = data.train_dataloader()
    naive = cost(lambda: torchvision_epoch(data, 2), repeats=2)
    ours = cost(lambda: (data.prepare(batch, epoch=0) for batch in loader), repeats=5)
    print(
        f"CIFAR-10-sized epoch with crop, flip and normalisation: torchvision, 2 workers "
        f"{naive.wall:.2f} s; ours {ours.wall:.3f} s; ratio {naive.wall / ours.wall:.1f} (at least "
        f"10 is asked for)\n… on a machine with nothing else to do, at best (processor time of "
        f"the workers, halved): {naive.cpu / 2:.2f} s; {ours.cpu:.3f} s; ratio "
        f"{naive.cpu / 2 / ours.cpu:.1f}"
    )


def compare_loops() -> None:
    data = RandomCIFAR10("data", validation=0, batch_size=BATCH)
    source = data.dataset("train").source
    loader = data.train_dataloader()

    def indexed() -> Iterable[object]:
        for indices in torch.randperm(50_000).split(BATCH):
            yield source.images[indices], source.labels[indices]

    def selected() -> Iterable[object]:
        for indices in torch.randperm(50_000).split(BATCH):
            yield source.images.index_select(0, indices), source.labels.index_select(0, indices)

    naive, best, ours = (
        cost(run, repeats=7).cpu / len(loader) * 1e6 for run in (indexed, selected, lambda: loader)
    )
    print(
        f"A batch of {BATCH} uint8 images, processor time: a bare loop over "
        f"`images[indices]` {naive:.0f} µs, over "
        f"`images.index_select` {best:.0f} µs; our loader {ours:.0f} µs; ratio {naive / ours:.1f}, "
        f"{best / ours:.2f}"
    )


def time_opening() -> None:
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "imagenet16-1000"
        cache.mkdir()
        shapes = {"train": [1_281_167, 3, 16, 16], "test": [50_000, 3, 16, 16]}
        for part, shape in shapes.items():
            with open(cache / f"{part}_images.u8", "wb") as file:
                file.truncate(int(np.prod(shape)))
            (np.arange(shape[0]) % 1000).tofile(cache / f"{part}_labels.i64")
        manifest = f'{{"format": 1, "shapes": {shapes}}}'.replace("'", '"')
        write_text(cache / "manifest.json", manifest)
        assert imagenet16_cache.is_whole(cache)

        def opened() -> Iterable[object]:
            data = ImageNet16DataModule(folder, num_classes=1000)
            data.prepare_data()
            data.setup("fit")
            return [data]

        opening = cost(opened, repeats=5)
        print(
            f"Opening a cached ImageNet16, 1,000 classes: {opening.wall:.3f} s, processor time "
            f"{opening.cpu:.3f} s (under 0.5 s is asked for)"
        )


def time_folder(archive: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        (train,) = Path(folder).rglob("train")
        start = time.perf_counter()
        data = ImageFolderDataModule(train.parent, image_size=32, validation=0)
        count = len(data.dataset("train")) + len(data.dataset("test"))
        seconds = time.perf_counter() - start
    print(f"{count} JPEG images into memory: {seconds:.1f} s (under 20 s is asked for)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    # One by default: beside other work on few cores, threads mostly wait for each other.
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, help="folder of cifar10-jpeg-12k.tar")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, load "
        f"{os.getloadavg()[0]:.1f}; torch {torch.__version__}, {torch.get_num_threads()} threads; "
        f"torchvision {torchvision.__version__}"
    )
    compare_epochs()
    compare_loops()
    time_opening()
    if arguments.data is not None:
        time_folder(arguments.data / "cifar10-jpeg-12k.tar")


if __name__ == "__main__":
    main()
