"""Images and crops on which candidates are scored, drawn by seed."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from models.seeding import derive_seed, generator
from models.spaces import SearchSpace

CROPS, CROP_SIZE, CROPPED_IMAGES = 3000, 3, 250
"""Linear regions are counted over 3,000 random crops of 3×3 (TE-NAS)."""


@runtime_checkable
class ImageSource(Protocol):
    """A DataModule whose training images a search draws from."""

    num_classes: int
    in_shape: tuple[int, int, int]

    def prepare_data(self) -> None:
        """Download what is missing."""
        ...

    def setup(self, stage: str) -> None:
        """Load the training images for `fit`."""
        ...

    def probe(self, count: int, seed: int) -> tuple[Tensor, Tensor]:
        """`count` unaugmented, normalised images (count, C, H, W) and their labels (count,)."""
        ...


@runtime_checkable
class NetworkSource(Protocol):
    """An indicator that scores networks of its own instead of those that a search would draw."""

    def networks(
        self, space: SearchSpace, in_shape: Sequence[int], num_classes: int
    ) -> Callable[[Any], nn.Module]:
        """Architecture to network, for a search over `space` on such images.

        Raises:
            ValueError: it has none for them; the search does not begin.
        """
        ...


class ProxyBatch(NamedTuple):
    """A batch on which an indicator scores a network."""

    images: Tensor
    labels: Tensor


def digest(batch: ProxyBatch) -> str:
    """Return a fingerprint of the values of a batch: 16 hexadecimal digits."""
    content = hashlib.sha256()
    for tensor in batch:
        content.update(str(tuple(tensor.shape)).encode())
        content.update(tensor.cpu().contiguous().numpy().tobytes())
    return content.hexdigest()[:16]


def draw_batch(source: ImageSource, count: int, seed: int, *key: int) -> ProxyBatch:
    """`count` training images for the unit of work that `seed` and `key` name.

    Args:
        source: where they come from.
        count: how many.
        seed: of the search.
        key: round and repeat, say.

    Returns:
        Normalised images (count, C, H, W) and int64 labels (count,), on the CPU.

    Raises:
        ValueError: the source has fewer.
    """
    # Data modules take seeds of 32 bits and more; 2^31 keeps to what all take.
    try:
        return ProxyBatch(*source.probe(count, derive_seed(seed, "images", *key) % 2**31))
    except ValueError as error:
        raise ValueError(f"batch_size: cannot draw {count} training images: {error}") from error


def draw_crops(source: ImageSource, seed: int, *key: int) -> ProxyBatch:
    """The crops (3000, 1, 3, 3) that linear regions are counted over, for one unit of work.

    Args:
        source: whose images they are cut from.
        seed: of the search.
        key: round and repeat, say.

    Raises:
        ValueError: the source has fewer images than they are cut from, or smaller ones.
    """
    images = draw_batch(source, CROPPED_IMAGES, seed, *key)
    return random_crops(images, CROPS, CROP_SIZE, generator(seed, "crops", *key))


def random_crops(
    batch: ProxyBatch, count: int, size: int, generator: torch.Generator
) -> ProxyBatch:
    """`count` random crops of one channel, (count, 1, size, size), and their images' labels.

    Image, channel and position are drawn uniformly and with replacement (TE-NAS counts linear
    regions over 3,000 crops of 3×3).

    Args:
        batch: images (N, C, H, W) and labels (N,).
        count: how many crops.
        size: their height and width in pixels.
        generator: the only source of randomness; it advances.

    Raises:
        ValueError: the images are smaller than `size`.
    """
    images, labels = batch
    n, channels, height, width = images.shape
    if min(height, width) < size:
        raise ValueError(f"images: {height}×{width}, expected at least {size}×{size} to crop from")

    def draw(high: int) -> Tensor:
        return torch.randint(high, (count, 1, 1), generator=generator)

    image, channel = draw(n), draw(channels)
    rows = draw(height - size + 1) + torch.arange(size).view(1, size, 1)
    columns = draw(width - size + 1) + torch.arange(size).view(1, 1, size)
    return ProxyBatch(images[image, channel, rows, columns].unsqueeze(1), labels[image.flatten()])
