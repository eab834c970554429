"""The order of an epoch, and how ranks share it."""

from itertools import chain

import pytest
import torch

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
