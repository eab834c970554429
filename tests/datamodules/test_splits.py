"""Seeded splits and the published index lists."""

import json
from pathlib import Path

import pytest
import torch

from datamodules.splits import published_split, stratified_split


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.25, 0.5, 0.9])
def test_every_class_gives_its_share(fraction: float) -> None:
    labels = torch.randint(0, 7, (500,))
    rest, held_out = stratified_split(labels, fraction, seed=0)
    assert sorted(torch.cat([rest, held_out]).tolist()) == list(range(500))
    assert len(held_out) == round(fraction * 500)
    share = labels[held_out].bincount(minlength=7)
    assert (share - fraction * labels.bincount()).abs().max() <= 1


def test_split_is_a_function_of_the_seed() -> None:
    labels = torch.arange(100) % 10
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = stratified_split(labels, 0.3, seed=4)[1]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, stratified_split(labels, 0.3, seed=4)[1])
    assert not torch.equal(first, stratified_split(labels, 0.3, seed=5)[1])


def test_every_image_is_as_likely_held_out() -> None:
    labels = torch.tensor([0] * 6 + [1] * 9)
    counts = sum(
        torch.zeros(15).index_add(0, held_out, torch.ones(len(held_out)))
        for held_out in (stratified_split(labels, 0.2, seed)[1] for seed in range(2000))
    )
    assert (counts / 2000 - 0.2).abs().max() < 0.04


@pytest.mark.parametrize(
    ("part", "names"), [("train", ("train", "valid")), ("test", ("xtest", "xvalid"))]
)
def test_published_format(tmp_path: Path, part: str, names: tuple[str, str]) -> None:
    path = tmp_path / "cifar-split.txt"
    path.write_text(json.dumps({names[0]: ["int", ["0", "3"]], names[1]: ["int", ["2"]]}))
    read = published_split(path)
    assert (read.part, read.rest.tolist(), read.held_out.tolist()) == (part, [0, 3], [2])
    path.write_text(json.dumps({names[0]: [0, 3], names[1]: [1, 2, 4]}))
    assert published_split(path).held_out.tolist() == [1, 2, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0 1 2", "is not an index list"),
        ('["int", ["0"]]', "is not an index list"),
        ('{"train": 3}', "is not an index list"),
        ('{"train": ["str", ["a"]]}', "entries of type 'str'"),
        ('{"train": ["int", ["a"]]}', "is not an index list"),
        ('{"train": [0], "test": [1]}', "has the lists test, train; expected train and valid"),
        ('{"train": ["int", ["1"]], "valid": ["int", ["1"]]}', "more than once"),
    ],
)
def test_other_files_are_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "split.txt"
    path.write_text(content)
    with pytest.raises(ValueError, match=rf"split_file: .*split.txt.*{message}"):
        published_split(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="split_file: no file"):
        published_split(tmp_path / "split.txt")
