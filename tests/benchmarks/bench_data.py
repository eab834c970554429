"""Reading images: against torchvision's transforms, a bare loop, and hashing at every start."""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from _images import RandomCIFAR10
from _measure import Bench, Pair, Result, main
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import CIFAR10

from datamodules import ImageNet16DataModule

BATCH, PARTS = 128, 8


def by_transforms(data: RandomCIFAR10) -> DataLoader[object]:
    """The usual: PIL images, transformed one by one; of all images, the first part."""
    source = data.dataset("train").source
    part = len(source.labels) // PARTS
    dataset = CIFAR10.__new__(CIFAR10)
    dataset.data = source.images[:part].permute(0, 2, 3, 1).contiguous().numpy()
    dataset.targets = source.labels[:part].tolist()
    dataset.target_transform = None
    dataset.transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(data.mean, data.std),
        ]
    )
    return DataLoader(dataset, BATCH, shuffle=True)


def augmented_epoch(count: int) -> Pair:
    """The number of images seen, augmented and normalised."""
    data = RandomCIFAR10(count, BATCH, "crop+flip")
    loader, transformed = data.train_dataloader(), by_transforms(data)
    return Pair(
        lambda: sum(len(data.prepare(batch, epoch=0)[0]) for batch in loader),
        lambda: PARTS * sum(len(images) for images, _ in transformed),
    )


def bare_epoch(count: int) -> Pair:
    """The number of images seen, as they are kept."""
    data = RandomCIFAR10(count, BATCH)
    source, loader = data.dataset("train").source, data.train_dataloader()

    def indexed() -> int:
        seen = 0
        for indices in torch.randperm(count).split(BATCH):
            images, _ = source.images[indices], source.labels[indices]
            seen += len(images)
        return seen

    return Pair(lambda: sum(len(images) for images, *_ in loader), indexed)


def opened(folder: Path, count: int) -> Pair:
    """The number of training images of a prepared ImageNet16 of 1,000 classes."""
    root = folder / str(count)
    cache = root / "imagenet16-1000"
    cache.mkdir(parents=True)
    shapes = {"train": [count, 3, 16, 16], "test": [1000, 3, 16, 16]}
    for part, shape in shapes.items():
        np.zeros(shape, np.uint8).tofile(cache / f"{part}_images.u8")
        (np.arange(shape[0]) % 1000).tofile(cache / f"{part}_labels.i64")
    (cache / "manifest.json").write_text(json.dumps({"format": 1, "shapes": shapes}))

    def ours() -> int:
        data = ImageNet16DataModule(root, num_classes=1000, validation=0)
        data.prepare_data()
        data.setup("fit")
        return len(data.dataset("train"))

    def hashed() -> int:
        """Every file hashed, then read, and its labels compared one by one."""
        kept = 0
        for path in sorted(cache.iterdir()):
            content = path.read_bytes()
            hashlib.md5(content, usedforsecurity=False).hexdigest()
            if path.name == "train_labels.i64":
                kept = len([label for label in np.frombuffer(content, np.int64) if label < 1000])
        return kept

    return Pair(ours, hashed)


def measure(bench: Bench) -> Iterator[Result]:
    """CIFAR-10's and a tenth of ImageNet16's number of images."""
    sizes = bench.pick((6_250, 12_500, 25_000, 50_000), (256, 512))

    def same(ours: int, naive: int) -> bool:
        return ours == naive

    yield bench.measure(
        f"an epoch of {sizes[-1]:,} images, 32×32, with crop, flip and normalisation",
        augmented_epoch,
        of="images",
        sizes=sizes,
        naive="torchvision, image by image",
        agree=same,
        share=1 / PARTS,
    )
    yield bench.measure(
        f"an epoch of {sizes[-1]:,} images, 32×32, as they are",
        bare_epoch,
        of="images",
        sizes=sizes,
        naive="a bare loop over images[indices]",
        agree=same,
        repeats=7,
    )
    with tempfile.TemporaryDirectory() as folder:
        sizes = bench.pick((16_000, 32_000, 64_000, 128_000), (2_000, 4_000))
        yield bench.measure(
            f"opening {sizes[-1]:,} images of ImageNet16",
            lambda count: opened(Path(folder), count),
            of="images",
            sizes=sizes,
            naive="hashed, read and filtered at every start",
            agree=same,
        )


if __name__ == "__main__":
    main("data", measure)
