"""Images and crops that a seed decides."""

import pytest
import torch

from datamodules import DigitsDataModule
from models.search import ImageSource, ProxyBatch, draw_batch, random_crops
from models.seeding import derive_seed, generator, seed_global


@pytest.fixture(scope="module")
def digits() -> DigitsDataModule:
    source = DigitsDataModule()
    source.setup("fit")
    return source


def test_seeds_are_functions_of_their_key():
    assert derive_seed(1, "crops", 2, 3) == derive_seed(1, "crops", 2, 3)
    keys = [(s, stream, k) for s in range(3) for stream in ("crops", "weights") for k in range(3)]
    assert len({derive_seed(*key) for key in keys}) == len(keys)


def test_datamodules_are_image_sources(digits):
    assert isinstance(digits, ImageSource)


def test_batches_repeat_and_differ_by_key(digits):
    a, b = draw_batch(digits, 16, 0, 1, 2), draw_batch(digits, 16, 0, 1, 2)
    assert torch.equal(a.images, b.images)
    assert not torch.equal(a.images, draw_batch(digits, 16, 0, 1, 3).images)


def test_batches_leave_the_random_state_alone(digits):
    before = torch.get_rng_state()
    draw_batch(digits, 16, 0, 1)
    assert torch.equal(before, torch.get_rng_state())


def test_crops_are_windows_of_one_channel():
    images = torch.arange(2 * 3 * 5 * 7, dtype=torch.float32).view(2, 3, 5, 7)
    crops = random_crops(ProxyBatch(images, torch.tensor([4, 9])), 200, 3, generator(0, "crops"))
    assert crops.images.shape == (200, 1, 3, 3)
    seen = set()
    for crop, label in zip(crops.images[:, 0], crops.labels, strict=True):
        i, c, y, x = (int(v) for v in torch.unravel_index(crop[0, 0].long(), images.shape))
        assert torch.equal(crop, images[i, c, y : y + 3, x : x + 3])
        assert label == (4, 9)[i]
        seen.add((i, c, y, x))
    # Every image, channel, row and column occurs: 2 × 3 × 3 × 5 windows.
    assert [len({s[axis] for s in seen}) for axis in range(4)] == [2, 3, 3, 5]


def test_crops_need_room():
    with pytest.raises(ValueError, match="images: 2×8, expected at least 3×3"):
        random_crops(
            ProxyBatch(torch.zeros(1, 1, 2, 8), torch.zeros(1)), 5, 3, generator(0, "crops")
        )


def test_global_seed_is_that_of_torch() -> None:
    torch.manual_seed(2**62)
    expected = torch.rand(3)
    seed_global(torch.device("cpu"), 2**62)
    assert torch.equal(torch.rand(3), expected)
