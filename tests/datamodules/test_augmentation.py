"""Batched augmentation against a slow reference, image by image."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from datamodules.augmentation import crop_and_flip, cut_out, draw, parse_steps

SHAPE = (3, 12, 10)


def slow_crop_and_flip(images: Tensor, top: Tensor, left: Tensor, flip: Tensor, p: int) -> Tensor:
    out = []
    for i, image in enumerate(images):
        mirrored = image.flip(2) if flip[i] else image
        padded = F.pad(mirrored, [p] * 4)
        out.append(padded[:, top[i] : top[i] + SHAPE[1], left[i] : left[i] + SHAPE[2]])
    return torch.stack(out)


@pytest.mark.parametrize("padding", [0, 1, 3])
def test_crop_and_flip(padding: int) -> None:
    images = torch.randint(0, 256, (40, *SHAPE), dtype=torch.uint8)
    d = draw(40, SHAPE, padding, seed=0, epoch=0)
    # All corners, the last of which is the end of the bank.
    d.top[-2:], d.left[-2:], d.flip[-2:] = 2 * padding, 2 * padding, torch.tensor([False, True])
    ours = crop_and_flip(images, d.top, d.left, d.flip, padding)
    assert torch.equal(ours, slow_crop_and_flip(images, d.top, d.left, d.flip, padding))


@pytest.mark.parametrize("size", [1, 4, 5])
def test_cut_out(size: int) -> None:
    images = torch.rand(30, *SHAPE) + 1
    d = draw(30, SHAPE, 0, seed=0, epoch=0)
    reference = images.clone()
    for i in range(30):
        for row in range(SHAPE[1]):
            for column in range(SHAPE[2]):
                y, x = row - d.cutout_row[i] + size // 2, column - d.cutout_column[i] + size // 2
                if 0 <= y < size and 0 <= x < size:
                    reference[i, :, row, column] = 0
    assert torch.equal(cut_out(images, d.cutout_row, d.cutout_column, size), reference)


def test_draws_are_uniform_and_independent() -> None:
    n = 50_000
    d = draw(n, SHAPE, 2, seed=0, epoch=3)
    for values, high in ((d.top, 5), (d.left, 5), (d.flip, 2), (d.cutout_row, 12)):
        share = values.long().bincount(minlength=high) / n
        assert len(share) == high
        torch.testing.assert_close(share, torch.full((high,), 1 / high), atol=0.01, rtol=0)
    columns = torch.stack([t.float() for t in (d.top, d.left, d.flip, *d.photo.T)])
    assert (torch.corrcoef(columns) - torch.eye(12)).abs().max() < 0.02


def test_draws_depend_on_seed_and_epoch_alone() -> None:
    state = torch.get_rng_state()
    first = draw(100, SHAPE, 2, seed=1, epoch=2)
    assert torch.equal(torch.get_rng_state(), state)
    same = draw(100, SHAPE, 2, seed=1, epoch=2)
    assert all(
        torch.equal(a, b) for a, b in zip(vars(first).values(), vars(same).values(), strict=True)
    )
    for other in (draw(100, SHAPE, 2, 1, 3), draw(100, SHAPE, 2, 2, 2)):
        assert not torch.equal(first.cutout_row, other.cutout_row)


def test_steps() -> None:
    assert parse_steps("none") == frozenset()
    assert parse_steps("flip+crop") == {"crop", "flip"}
    with pytest.raises(ValueError, match="augment: '', expected 'none' or any of crop"):
        parse_steps("")


@pytest.mark.gpu
def test_same_images_on_the_device() -> None:
    images = torch.randint(0, 256, (40, *SHAPE), dtype=torch.uint8)
    d = draw(40, SHAPE, 2, seed=0, epoch=0)
    c = d.to(torch.device("cuda"))
    ours = crop_and_flip(images.cuda(), c.top, c.left, c.flip, 2)
    assert torch.equal(ours.cpu(), crop_and_flip(images, d.top, d.left, d.flip, 2))
