"""A folder without parts: which photos train, validate and test, copies on one side."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from datamodules.splits import stratified_split


def split_copies(
    labels: Tensor, first: Sequence[int], fraction: float, seed: int
) -> tuple[Tensor, Tensor]:
    """Split images as `stratified_split`, with copies of one file on the same side.

    Args:
        labels: int64 of shape (N,).
        first: for every image, the index of the first one with the same content.
        fraction: share of the held-out part.
        seed: the split is a pure function of the arguments.

    Returns:
        Indices of the remaining and of the held-out part, each ascending.
    """
    of = torch.tensor(first, dtype=torch.int64)
    representatives, member = torch.unique(of, return_inverse=True)
    _, held_out = stratified_split(labels[representatives], fraction, seed)
    chosen = torch.zeros(len(representatives), dtype=torch.bool)
    chosen[held_out] = True
    mask = chosen[member]
    return (~mask).nonzero().view(-1), mask.nonzero().view(-1)


def digest(names: Sequence[str]) -> str:
    """Return a fingerprint of file names, on which the split depends."""
    return hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()


def typical_size(short_sides: Sequence[int]) -> int:
    """Return 32, 48, 64, 96 or 128: the greatest that the median short side reaches.

    Photos that are smaller still are enlarged to 32.

    Args:
        short_sides: of some of the photos, in pixels.
    """
    median = sorted(short_sides)[len(short_sides) // 2]
    return max((size for size in (32, 48, 64, 96, 128) if size <= median), default=32)


def mean_and_std(images: Sequence[Tensor]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel of pixels in [0, 1].

    Args:
        images: batches of uint8 images (N, C, H, W).
    """
    count, total, squares = 0, torch.tensor(0.0), torch.tensor(0.0)
    for batch in images:
        pixels = batch.transpose(0, 1).flatten(1).double() / 255
        count += pixels.shape[1]
        total = total + pixels.sum(1)
        squares = squares + pixels.square().sum(1)
    mean = total / count
    # Of images in a single colour, rounding leaves nothing to divide by.
    std = (squares / count - mean.square()).clamp(min=255**-2).sqrt()
    return tuple(mean.tolist()), tuple(std.tolist())
