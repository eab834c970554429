"""Augmentation of whole batches on their device, drawn per image by (seed, epoch, image)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from datamodules.photo_augmentation import DRAWS, augment_photos
from datamodules.seeding import Stream, generator

BATCH_STEPS = ("crop", "flip", "cutout", "photo")
"""`photo` is of `datamodules.photo_augmentation`."""


def parse_steps(augment: str, allowed: tuple[str, ...] = BATCH_STEPS) -> frozenset[str]:
    """Read `"none"` or steps joined by `+`, as in `"crop+flip"`.

    Raises:
        ValueError: a step is unknown or named twice.
    """
    if augment == "none":
        return frozenset()
    steps = augment.split("+")
    if len(set(steps)) < len(steps) or not set(steps) <= set(allowed):
        raise ValueError(
            f"augment: {augment!r}, expected 'none' or any of {', '.join(allowed)} joined by '+'"
        )
    return frozenset(steps)


@dataclass(frozen=True)
class Draws:
    """Random draws for each of N images in one epoch, per field of shape (N,), int64 or bool."""

    top: Tensor
    left: Tensor
    flip: Tensor
    cutout_row: Tensor
    cutout_column: Tensor
    photo: Tensor
    """Uniform in [0, 1), shape (N, `photo_augmentation.DRAWS`)."""

    def select(self, indices: Tensor) -> "Draws":
        """Return the draws of a batch."""
        return Draws(*(t.index_select(0, indices) for t in vars(self).values()))

    def to(self, device: torch.device) -> "Draws":
        """Return the draws on another device."""
        return Draws(*(t.to(device) for t in vars(self).values()))


def draw(count: int, in_shape: tuple[int, int, int], padding: int, seed: int, epoch: int) -> Draws:
    """Draw for `count` images independently and uniformly, whichever steps use the draws."""
    random = generator(seed, Stream.AUGMENTATION, epoch)
    _, height, width = in_shape

    def below(high: int) -> Tensor:
        return torch.randint(high, (count,), generator=random)

    offsets = 2 * padding + 1
    top, left, flip = below(offsets), below(offsets), below(2).bool()
    row, column = below(height), below(width)
    return Draws(top, left, flip, row, column, torch.rand(count, DRAWS, generator=random))


class Augmenter:
    """Augment whole batches, each image by the draws of its own for the epoch.

    Args:
        steps: some of `BATCH_STEPS`; others are left to whoever reads the images.
        in_shape: channels, height and width.
        count: number of images in the source.
        seed: of the draws.
    """

    def __init__(
        self, steps: frozenset[str], in_shape: tuple[int, int, int], count: int, seed: int
    ) -> None:
        self._steps = steps
        self._in_shape = in_shape
        self._count = count
        self._seed = seed
        self._padding = in_shape[1] // 8 if "crop" in steps else 0
        self._draws: tuple[int, Draws] | None = None

    def __call__(
        self, images: Tensor, indices: Tensor, epoch: int, normalise: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Augment a batch, on its device.

        Args:
            images: uint8 of shape (B, C, H, W).
            indices: of the images in the source, shape (B,).
            epoch: whose draws.
            normalise: uint8 images to normalised ones.

        Returns:
            Normalised images (B, C, H, W).
        """
        draws = self._draws_of(epoch, images.device).select(indices)
        if self._steps & {"crop", "flip"}:
            flip = draws.flip if "flip" in self._steps else torch.zeros_like(draws.flip)
            images = crop_and_flip(images, draws.top, draws.left, flip, self._padding)
        if "photo" in self._steps:
            images = augment_photos(images, draws.photo)
        images = normalise(images)
        if "cutout" in self._steps:
            cut_out(images, draws.cutout_row, draws.cutout_column, self._in_shape[1] // 2)
        return images

    def _draws_of(self, epoch: int, device: torch.device) -> Draws:
        if self._draws is None or self._draws[0] != epoch or self._draws[1].top.device != device:
            drawn = draw(self._count, self._in_shape, self._padding, self._seed, epoch)
            self._draws = (epoch, drawn.to(device))
        return self._draws[1]


def crop_and_flip(images: Tensor, top: Tensor, left: Tensor, flip: Tensor, padding: int) -> Tensor:
    """Mirror some images, pad all with black, and cut a window of the old size from each.

    Args:
        images: uint8 of shape (B, C, H, W).
        top: row of the window's corner in the padded image, in [0, 2·padding], shape (B,).
        left: column of that corner, likewise.
        flip: mask of the images to mirror left to right first, shape (B,).
        padding: pixels added on each side.

    Returns:
        uint8 of shape (B, C, H, W).
    """
    batch, channels, height, width = images.shape
    device = images.device
    padded = F.pad(images, [padding] * 4)
    bank = torch.cat([padded, padded.flip(3)]).view(-1)
    # Every row of a window is `width` neighbouring bytes of the bank. A view of the bank at every
    # offset turns the crop into one copy of whole rows, five times faster than indexing pixels.
    line = width + 2 * padding
    plane = line * (height + 2 * padding)
    windows = bank.as_strided((bank.numel() - width + 1, width), (1, 1))
    image = torch.arange(batch, device=device) + batch * flip
    corner = image * (channels * plane) + top * line + left
    rows = (
        torch.arange(channels, device=device)[:, None] * plane
        + torch.arange(height, device=device) * line
    )
    return windows.index_select(0, (corner[:, None] + rows.view(-1)).view(-1)).view_as(images)


def cut_out(images: Tensor, row: Tensor, column: Tensor, size: int) -> Tensor:
    """Set a square of each image to 0, in place (DeVries & Taylor, arXiv 1708.04552).

    Args:
        images: normalised images (B, C, H, W): 0 is the mean.
        row: row of the square's centre, shape (B,); the square is clipped at the border.
        column: column of the square's centre, shape (B,).
        size: side of the square in pixels.
    """
    height, width = images.shape[-2:]

    def inside(extent: int, centre: Tensor) -> Tensor:
        start = centre[:, None] - size // 2
        position = torch.arange(extent, device=images.device)
        return (position >= start) & (position < start + size)

    hole = inside(height, row)[:, None, :, None] & inside(width, column)[:, None, None, :]
    return images.mul_(~hole)
