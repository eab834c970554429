"""Datasets that fetch images by the batch, and the sampler of all loaders."""

import os
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler

from datamodules.seeding import Stream, generator

Batch = tuple[Tensor, Tensor, Tensor]
"""uint8 images (B, C, H, W), int64 labels (B,), int64 indices of the images in the source (B,)."""


class ImageSource(Protocol):
    """A numbered set of images of one size."""

    labels: Tensor
    """int64, shape (N,)."""

    def fetch(self, indices: Tensor, epoch: int | None) -> tuple[Tensor, Tensor]:
        """Read images.

        Args:
            indices: int64 of shape (B,).
            epoch: epoch to draw for, where reading itself augments; None: do not augment.

        Returns:
            uint8 images (B', C, H, W) and their indices (B',). B' < B only where a source leaves
            out images that cannot be read.
        """

    def name(self, index: int) -> str:
        """Return the name shown to users: the path below the folder read, or the number."""


class MemorySource:
    """Images in memory, or mapped into it.

    Args:
        images: uint8, shape (N, C, H, W).
        labels: int64, shape (N,).
        names: bytes, shape (N,); by default an image's name is its number.
    """

    def __init__(self, images: Tensor, labels: Tensor, names: "np.ndarray | None" = None) -> None:
        self.images = images
        self.labels = labels
        self._names = names

    def fetch(self, indices: Tensor, epoch: int | None) -> tuple[Tensor, Tensor]:
        """Read images as in `ImageSource`; the same in every epoch."""
        # A tenth of the time of images[indices]: whole images are copied, not elements.
        return self.images.index_select(0, indices), indices

    def name(self, index: int) -> str:
        """Return the name as in `ImageSource`."""
        return str(index) if self._names is None else os.fsdecode(self._names[index])


class SplitDataset(Dataset[tuple[Tensor, Tensor]]):
    """The images of a source that belong to one split.

    A DataLoader fetches a whole batch with one call of `__getitems__`. A position ~p stands for a
    repetition of the image at p that fills up a rank's share: it is left out, unless the batch
    would be empty.

    Args:
        source: source of the images.
        indices: indices of the split's images, int64.
        augment: let the source augment while it reads, for the epoch given to `set_epoch`.
    """

    def __init__(self, source: ImageSource, indices: Tensor, augment: bool = False) -> None:
        self.source = source
        self.indices = indices
        # Shared memory, so that persistent workers see the next epoch.
        self._epoch: Tensor | None = None
        if augment:
            self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def labels(self) -> Tensor:
        """int64, shape (N,)."""
        return self.source.labels[self.indices]

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch for later fetches, in workers too; it matters where the source augments."""
        if self._epoch is not None:
            self._epoch.fill_(epoch)

    def __getitems__(self, positions: list[int]) -> Batch:
        epoch = None if self._epoch is None else int(self._epoch)
        positions = [p for p in positions if p >= 0] or [~p for p in positions]
        # By way of numpy and index_select: half the time of torch.tensor and of [indices].
        wanted = self.indices.index_select(0, torch.from_numpy(np.array(positions, np.int64)))
        images, indices = self.source.fetch(wanted, epoch)
        if not len(images):
            raise ValueError(f"root: none of the {len(wanted)} images of a batch can be read")
        return images, self.source.labels.index_select(0, indices), indices

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        """Return one uint8 image (C, H, W), never augmented, and its label."""
        index = self.indices[position]
        images, _ = self.source.fetch(index.view(1), None)
        if not len(images):
            raise ValueError(f"root: image {index} cannot be read")
        return images[0], self.source.labels[index]


class EpochSampler(DistributedSampler[int]):
    """Order an epoch as a pure function of (seed, epoch) and distribute it round-robin to ranks.

    Without `shuffle`, all epochs have one order. It is random too, since files are sorted by class
    and a network that is evaluated with batch statistics needs the classes mixed.

    Rank r of R takes positions r, r + R, … of one common order, so that R ranks with batches of
    B/R see, step by step, the images that one rank with batches of B sees. Every rank gets
    ceil(N/R) positions, so that all take as many steps: where R does not divide N, the first images
    of the order are repeated once (at most R - 1 of them) and nothing is dropped. Without `shuffle`
    such a repetition is marked (`SplitDataset` leaves it out) and comes before the rank's last
    image, so that figures of an evaluation count every image once, and no batch of two or more is
    empty; with batches of one image the repetition counts. A subclass of torch's sampler, so that
    Lightning keeps it and calls `set_epoch`, with one process or many.
    """

    dataset: SplitDataset

    def __init__(
        self, dataset: SplitDataset, num_replicas: int, rank: int, shuffle: bool, seed: int
    ) -> None:
        super().__init__(dataset, num_replicas, rank, shuffle=shuffle, seed=seed)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the order and of the dataset."""
        super().set_epoch(epoch)
        self.dataset.set_epoch(epoch)

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        key = (self.epoch,) if self.shuffle else ()
        order = torch.randperm(n, generator=generator(self.seed, Stream.ORDER, *key))
        padded = order[torch.arange(self.total_size) % n] if n else order
        own: list[int] = padded[self.rank :: self.num_replicas].tolist()
        if own and not self.shuffle and self.rank + (len(own) - 1) * self.num_replicas >= n:
            own[-2:] = [~own[-1], *own[-2:-1]]
        return iter(own)
