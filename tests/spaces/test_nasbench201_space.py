"""The NAS-Bench-201 space against the golden file, the whole space, and its errors."""

import csv
import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import chisquare

from models.networks.nasbench201 import NasBench201Network
from models.spaces import DartsSpace, NasBench201Space
from models.topology import effective_depth_width

SPACE = NasBench201Space()
TEXT = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|none~1|avg_pool_3x3~2|"


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    path = Path(__file__).parents[1] / "data" / "effective_depth_width.json"
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def test_depth_and_width_of_cells(golden: dict[str, Any]) -> None:
    for row in golden["nasbench201"]:
        depth, width = effective_depth_width(SPACE.topology(SPACE.parse(row["arch"])))
        assert (depth, width) == pytest.approx((row["depth"], row["width"]))


def test_depth_and_width_of_masks(golden: dict[str, Any]) -> None:
    rows = [row for row in golden["supernet"] if row["space"] == "nas-bench-201"]
    assert rows
    for row in rows:
        columns = [row["ops"].index(name) for name in SPACE.operations]
        mask = torch.tensor(row["mask"], dtype=torch.bool)[:, columns]
        assert effective_depth_width(SPACE.topology(mask)) == pytest.approx(
            (row["depth"], row["width"])
        )


def test_the_whole_space() -> None:
    cells = list(SPACE.architectures())
    assert len(cells) == len(set(cells)) == SPACE.count == 15_625
    assert set(cells[0].operations) == {"none"}
    assert cells[1].operations == ("none",) * 5 + ("skip_connect",)
    assert set(cells[-1].operations) == {"avg_pool_3x3"}


@pytest.mark.real_data
def test_the_whole_space_is_the_benchmarks(shared_data: Path) -> None:
    with (shared_data / "nasbench201_test_accuracy.csv").open() as file:
        names = {row["ArchitectureString"] for row in csv.DictReader(file)}
    assert {SPACE.format(cell) for cell in SPACE.architectures()} == names


def test_random_architectures_are_uniform() -> None:
    generator = torch.Generator().manual_seed(1)
    drawn = [SPACE.random_architecture(generator).operations for _ in range(10_000)]
    for first, second in itertools.combinations(range(6), 2):
        counts = Counter((operations[first], operations[second]) for operations in drawn)
        assert len(counts) == 25
        assert chisquare(list(counts.values())).pvalue > 0.001  # of 15


def test_mask_of_none_is_an_empty_row() -> None:
    mask = SPACE.mask_of(SPACE.parse(TEXT))
    assert mask.shape == (1, 6, 5)
    assert mask[0].sum(dim=1).tolist() == [1, 0, 1, 1, 0, 1]
    assert not mask[..., 0].any()


def test_networks() -> None:
    network = SPACE.network(SPACE.parse(TEXT), num_classes=7, channels=2, cells_per_stage=1)
    assert isinstance(network, NasBench201Network)
    assert network(torch.randn(2, 3, 8, 8)).shape == (2, 7)
    assert sum(p.numel() for p in SPACE.supernet().parameters()) == 14_677
    assert sum(p.numel() for p in SPACE.region_network().parameters()) == 117
    assert SPACE.region_network(num_classes=5)(torch.randn(4, 1, 3, 3)).shape == (4, 5)
    wide = SPACE.supernet(num_classes=100, in_channels=1, channels=4, cells_per_stage=2)
    assert wide(torch.randn(2, 1, 8, 8)).shape == (2, 100)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        (TEXT.replace("nor_conv_3x3", "conv_3x3"), "'conv_3x3'"),
        (TEXT.replace("skip_connect~1", "skip_connect~0"), "'skip_connect~0'"),
        (TEXT.replace("|none~0", ""), "'|skip_connect~1|'"),
        ("Genotype(normal=[], reduce=[])", "Genotype"),
        ("", "''"),
        (None, "None"),
    ],
)
def test_errors_quote_the_offending_part(text: Any, quoted: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 -- the message is looked at below
        SPACE.parse(text)
    assert quoted in str(error.value)
    assert "\n" not in str(error.value)


def test_bad_masks_and_foreign_architectures() -> None:
    full = SPACE.full_mask()
    with pytest.raises(ValueError, match=r"edge 0→1 keeps 4 operations \(skip_connect, nor_conv"):
        SPACE.architecture_of(full)
    with pytest.raises(ValueError, match=r"shape \(6, 5\) \(edges, operations\), got torch.bool"):
        SPACE.topology(full)
    with pytest.raises(ValueError, match=r"shape \(1, 6, 5\) \(cells, edges, operations\)"):
        SPACE.topologies(full[0])
    with pytest.raises(ValueError, match=r"expected torch.bool.*got torch.int64"):
        SPACE.topology(full[0].long())
    with pytest.raises(ValueError, match=r"keeps 'none', which is no operation, in row \[0\]"):
        SPACE.topology(torch.ones(6, 5, dtype=torch.bool))
    genotype = DartsSpace().random_architecture(torch.Generator())
    for method in (SPACE.mask_of, SPACE.format, SPACE.network):
        with pytest.raises(ValueError, match="expected a NasBench201Cell, got DartsGenotype"):
            method(genotype)  # type: ignore[operator]
    with pytest.raises(ValueError, match="mask: expected a boolean tensor, got DartsGenotype"):
        SPACE.topology(genotype)  # type: ignore[arg-type]


def test_a_child_has_every_edge_of_one_parent() -> None:
    generator = torch.Generator().manual_seed(3)
    first, second = (SPACE.parse(TEXT), SPACE.parse(TEXT.replace("none", "skip_connect")))
    children = {SPACE.crossover(first, second, generator) for _ in range(100)}
    assert len(children) == 4  # they differ on two edges
    for child in children:
        assert all(
            own in pair
            for own, *pair in zip(
                child.operations, first.operations, second.operations, strict=True
            )
        )
