"""A dataset of one's own: bright spots, whose place is their class.

From the command line, with this folder on Python's path:

    PYTHONPATH=docs/examples lightning fit --config configs/quickstart.yaml \
        --data blobs.BlobsDataModule --data.noise 0.5

From Python:

    python docs/examples/blobs.py
"""

import os
from typing import Any

import pytorch_lightning as pl
import torch

from datamodules import ImageDataModule
from datamodules.dataset import MemorySource
from models import DagMLPClassifier


class BlobsDataModule(ImageDataModule):
    """Noisy images of 8×8 pixels with one bright quarter, its class.

    Args:
        root: Not used; every DataModule takes one, most to find their files.
        noise: Standard deviation of the noise; the spot is of height 1.
    """

    # What models and loaders need to know, before any image is read.
    num_classes = 4
    in_shape = (1, 8, 8)
    mean = (0.25,)
    std = (0.35,)
    classes = ("top left", "top right", "bottom left", "bottom right")

    def __init__(
        self, root: str | os.PathLike[str] = "data", noise: float = 0.3, **kwargs: Any
    ) -> None:
        super().__init__(root, **kwargs)
        if noise < 0:
            raise ValueError(f"noise: expected 0 or more, got {noise}")
        self.noise = noise

    def load(self, part: str) -> MemorySource:
        """uint8 images and int64 labels of `train` or `test`; the base does all the rest."""
        count, seed = (800, 0) if part == "train" else (200, 1)
        draw = torch.Generator().manual_seed(seed)
        labels = torch.arange(count) % 4
        spots = torch.eye(4)[labels].view(-1, 1, 2, 2)
        images = spots.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
        images = images + self.noise * torch.randn(images.shape, generator=draw)
        return MemorySource((255 * images.clamp(0, 1)).to(torch.uint8), labels)


def main(epochs: int = 3) -> float:
    data = BlobsDataModule(batch_size=32)
    model = DagMLPClassifier(
        "2_21_112",
        data.in_shape,
        data.num_classes,
        width=32,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.05),
    )
    trainer = pl.Trainer(max_epochs=epochs, accelerator="cpu", logger=False)
    trainer.fit(model, data)
    return float(trainer.callback_metrics["val/accuracy"])


if __name__ == "__main__":
    print(f"validation accuracy {main():.3f}")
