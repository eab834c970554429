"""The vision-transformer space: its notation, its draws, and what can be done with it."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import chisquare

from models.export import export
from models.spaces import (
    NasBench201Space,
    TransformerArchitecture,
    VisionTransformerSpace,
    space_named,
)
from models.testing import check_space
from models.topology import effective_depth_width

SPACE = VisionTransformerSpace()
DEIT = SPACE.deit_tiny
TEXT = f"192,12,[{','.join(['4.0'] * 12)}],[{','.join('3' * 12)}]"


def choices(one: TransformerArchitecture) -> dict[str, Any]:
    """Every choice by name."""
    return {
        "embedding": one.embedding,
        "depth": one.depth,
        **{f"ratio {i}": ratio for i, ratio in enumerate(one.mlp_ratios)},
        **{f"heads {i}": heads for i, heads in enumerate(one.heads)},
    }


def test_keeps_the_contract() -> None:
    check_space(SPACE)
    assert isinstance(space_named("vision_transformer"), VisionTransformerSpace)


def test_deit_tiny_is_a_member() -> None:
    assert SPACE.format(DEIT) == TEXT
    assert SPACE.parse(f" {TEXT}\n") == DEIT
    with torch.device("meta"):
        network = SPACE.network(DEIT, 1000, image_size=224)
    assert sum(p.numel() for p in network.parameters()) == 5_717_416
    depth, width = effective_depth_width(SPACE.topologies(DEIT)["network"])
    assert (depth, width) == (24.0, (2**24 - 1) / 24)


def test_count_and_extremes() -> None:
    assert SPACE.count == 3 * (4**12 + 4**13 + 4**14)
    found = []
    for depth in (12, 13, 14):
        one = TransformerArchitecture(240, (3.5,) * depth, (4,) * depth)
        found.append(effective_depth_width(SPACE.topologies(one)["network"]))
    depths, widths = zip(*found, strict=True)
    extremes = SPACE.extremes()
    assert [float(end) for end in extremes.depth] == [min(depths), max(depths)]
    assert [float(end) for end in extremes.width] == [min(widths), max(widths)]


def test_draws_are_uniform_over_every_choice() -> None:
    generator = torch.Generator().manual_seed(1)
    drawn = [choices(SPACE.random_architecture(generator)) for _ in range(10_000)]
    p = []
    for name in choices(SPACE.parse(f"240,14,{[3.5] * 14},{[3] * 14}")):
        counts = Counter(one[name] for one in drawn if name in one)
        assert len(counts) == (3 if name in ("embedding", "depth") else 2)
        p.append(chisquare(list(counts.values())).pvalue)
    assert min(p) > 0.05 / len(p) / 10
    assert sum(value < 0.05 for value in p) < 6  # of 30, 1.5 expected


def test_mutation_changes_one_choice_and_reaches_all() -> None:
    generator = torch.Generator().manual_seed(2)
    seen: set[tuple[str, Any]] = set()
    one = DEIT
    for _ in range(1_000):
        other = SPACE.mutate(one, generator)
        before, after = choices(one), choices(other)
        changed = [name for name in before.keys() & after.keys() if before[name] != after[name]]
        assert len(changed) == 1
        assert (one.depth == other.depth) == (changed != ["depth"])
        assert SPACE.parse(SPACE.format(other)) == other
        one = other
        seen |= set(choices(one).items())
    assert len(seen) == 3 + 3 + 14 * (2 + 2)


def test_crossover_takes_every_choice_from_one_of_two() -> None:
    generator = torch.Generator().manual_seed(3)
    large = TransformerArchitecture(240, (3.5,) * 14, (4,) * 14)
    first, depths = Counter[str](), Counter[int]()
    for _ in range(400):
        child = SPACE.crossover(DEIT, large, generator)
        depths[child.depth] += 1
        first["embedding"] += child.embedding == 192
        first["ratio"] += child.mlp_ratios[3] == 4.0
        first["heads"] += child.heads[11] == 3
        assert set(child.mlp_ratios[12:]) <= {3.5}
        assert set(child.heads[12:]) <= {4}
    assert set(depths) == {12, 14}
    for count in (depths[12], *first.values()):
        assert 150 < count < 250


@pytest.mark.real_data
def test_reads_published_rows(shared_data: Path) -> None:
    lines = (shared_data / "autoformer_tiny_sample.csv").read_text().splitlines()
    rows = list(csv.DictReader(lines))
    assert len(rows) == 100
    for line, row in zip(lines[1:], rows, strict=True):
        columns = {name: row[name] for name in lines[0].split(",")[:4]}
        one = SPACE.from_json(columns)
        assert SPACE.parse(line[: line.rindex('"') + 1]) == one
        assert one.heads == tuple(map(int, row["heads"][1:-1].split(", ")))
        assert SPACE.parse(SPACE.format(one)) == one


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        (TEXT.replace("192", "200"), "embedding: expected 192 or 216 or 240, got 200"),
        (TEXT.replace("12,", "11,"), "mlp_ratios: expected 11, the depth, got 12: '[4.0,4.0,"),
        (TEXT.replace("4.0", "3.0", 1), "mlp_ratios: expected 3.5 or 4.0, got 3.0"),
        (TEXT.replace("3,3]", "3,5]"), "heads: expected 3 or 4, got 5"),
        (TEXT.replace("3,3]", "3,3.0]"), "heads: expected a list of numbers, got '[3,3,"),
        (TEXT.replace("[3,", "[3,,"), "'[3,,3,3"),
        ('{"embedding": 192}', "expected a dictionary of embedding, depth, mlp_ratios, heads, got"),
        ("|nor_conv_3x3~0|", "'|nor_conv_3x3~0|' is not of the form 192,12,["),
        (None, "expected a string, got None"),
    ],
)
def test_errors_quote_the_offending_part(text: Any, quoted: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 -- the message is looked at below
        SPACE.parse(text)
    assert quoted in str(error.value)


def test_refuses_other_values() -> None:
    whole = SPACE.to_json(DEIT)
    for changes, message in (
        ({"depth": True}, "depth: expected a whole number, got True"),
        ({"mlp_ratios": [10**400] * 12}, "mlp_ratios: expected 3.5 or 4.0, got "),
        ({"heads": [True] * 12}, "heads: expected a list of numbers"),
        ({"heads": 3}, "heads: expected a list of numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            SPACE.from_json(whole | changes)
    assert SPACE.from_json(whole | {"mlp_ratios": [4] * 12}) == DEIT
    with pytest.raises(ValueError, match="heads: expected 12 as there are mlp_ratios, got 11"):
        TransformerArchitecture(192, (4.0,) * 12, (3,) * 11)
    cell = next(NasBench201Space().architectures())
    for method in (SPACE.format, SPACE.to_json, SPACE.network, SPACE.topologies):
        with pytest.raises(ValueError, match="a TransformerArchitecture, got NasBench201Cell"):
            method(cell)  # type: ignore[operator]


@pytest.mark.slow
def test_can_be_exported_for_images_of_another_size(tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    network = SPACE.network(DEIT, 10, 1, image_size=16, patch_size=4)
    # positions are interpolated; the logits are compared
    export(network, tmp_path / "model.onnx", (1, 8, 8))
    assert (tmp_path / "model.onnx").stat().st_size > 4 * 5_000_000
