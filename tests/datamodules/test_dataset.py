"""The order of an epoch, and how ranks share it."""

from itertools import chain

import pytest
import torch
from torch.utils.data import DataLoader

from datamodules.dataset import EpochSampler, MemorySource, SplitDataset


def split(n: int) -> SplitDataset:
    images = torch.arange(2 * n, dtype=torch.uint8).view(-1, 1, 1, 1)
    return SplitDataset(MemorySource(images, torch.arange(2 * n)), torch.arange(0, 2 * n, 2))


def order(n: int, ranks: int, rank: int, epoch: int = 0, shuffle: bool = True) -> list[int]:
    sampler = EpochSampler(split(n), ranks, rank, shuffle, seed=5)
    sampler.set_epoch(epoch)
    assert len(list(sampler)) == len(sampler)
    return list(sampler)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_shards_are_disjoint_and_cover_the_epoch(ranks: int) -> None:
    shards = [order(12, ranks, rank) for rank in range(ranks)]
    assert sorted(chain(*shards)) == list(range(12))


def test_remainder_repeats_the_first_images() -> None:
    whole = order(7, 1, 0)
    shards = [order(7, 3, rank) for rank in range(3)]
    assert [len(shard) for shard in shards] == [3, 3, 3]
    assert sorted(chain(*shards)) == sorted([*whole, *whole[:2]])


@pytest.mark.parametrize("n", range(6, 14))
@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("size", [2, 4])
def test_evaluation_sees_every_image_once_in_as_many_batches(n: int, ranks: int, size: int) -> None:
    data = split(n)
    seen, steps = [], set()
    for rank in range(ranks):
        sampler = EpochSampler(data, ranks, rank, shuffle=False, seed=5)
        batches = [
            labels for _, labels, _ in DataLoader(data, size, sampler=sampler, collate_fn=tuple)
        ]
        assert all(len(batch) for batch in batches)
        steps.add(len(batches))
        seen += torch.cat(batches).tolist()
    assert len(steps) == 1
    assert sorted(seen) == list(range(0, 2 * n, 2))


def test_a_batch_of_nothing_but_a_repetition_has_its_image() -> None:
    data = split(2)
    (position,) = EpochSampler(data, 3, 2, shuffle=False, seed=5)
    assert position < 0
    assert data.__getitems__([position])[1].tolist() == [2 * ~position]


def test_evaluation_has_one_order_that_mixes_the_classes() -> None:
    fixed = order(100, 1, 0, shuffle=False)
    assert sorted(fixed) == list(range(100))
    assert fixed == order(100, 1, 0, epoch=7, shuffle=False)
    halves = [sum(index < 50 for index in fixed[start : start + 50]) for start in (0, 50)]
    assert all(15 < count < 35 for count in halves), halves


def test_more_ranks_than_images() -> None:
    (first,), (second,), *others = (order(2, 5, rank) for rank in range(5))
    assert sorted([first, second]) == [0, 1]
    assert others == [[first], [second], [first]]


def test_batch_and_single_fetch() -> None:
    data = split(10)
    images, labels, indices = data.__getitems__([3, 0])
    assert indices.tolist() == labels.tolist() == images.flatten().tolist() == [6, 0]
    image, label = data[3]
    assert (image.item(), label.item()) == (6, 6)
