"""Images of the real sizes without the real files."""

import torch

from datamodules import CIFAR10DataModule
from datamodules.dataset import MemorySource


class RandomCIFAR10(CIFAR10DataModule):
    """CIFAR-10's shapes and classes; pixels are random.

    Args:
        count: training images.
        batch_size: images per batch.
        augment: as in every DataModule.
    """

    def __init__(self, count: int = 1000, batch_size: int = 128, augment: str = "none") -> None:
        super().__init__("data", batch_size=batch_size, validation=0, augment=augment)
        self.count = count

    def prepare_data(self) -> None:
        """Nothing to download."""

    def load(self, part: str) -> MemorySource:
        """Pixels and labels, the same for every process."""
        generator = torch.Generator().manual_seed(0)
        shape = (self.count, 3, 32, 32)
        images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        return MemorySource(images, torch.arange(self.count) % 10)
