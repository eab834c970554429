"""The DARTS space against the golden file, and its errors."""

import csv
import json
import math
import random
from collections import Counter
from itertools import chain, combinations, pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import torch
from scipy.stats import chisquare

from models.networks.darts import DartsNetworkCifar, DartsNetworkImageNet
from models.spaces import DartsGenotype, DartsSpace, NasBench201Space
from models.topology import DartsCell, effective_depth_width

SPACE = DartsSpace()


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    path = Path(__file__).parents[1] / "data" / "effective_depth_width.json"
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def test_depth_and_width_of_cells(golden: dict[str, Any]) -> None:
    for row in golden["darts_cell"]:
        cell = DartsCell.parse(row["cell"])
        expected = pytest.approx((row["depth"], row["width"]))
        assert effective_depth_width(SPACE.topology(cell)) == expected
        rows = SPACE.mask_of(DartsGenotype(cell, cell))
        assert effective_depth_width(SPACE.topology(rows[1])) == expected


def test_depth_and_width_of_masks(golden: dict[str, Any]) -> None:
    rows = [row for row in golden["supernet"] if row["space"] == "darts"]
    assert rows
    for row in rows:
        columns = [row["ops"].index(name) for name in SPACE.operations]
        mask = torch.tensor(row["mask"], dtype=torch.bool)[:, columns]
        assert effective_depth_width(SPACE.topology(mask)) == pytest.approx(
            (row["depth"], row["width"])
        )


def test_count() -> None:
    assert SPACE.count == (1 * 3 * 6 * 10 * 7**8) ** 2


def test_random_architectures_are_uniform() -> None:
    """10,000 cells: what enters a node is any two operations on any two of its inputs."""
    generator = torch.Generator().manual_seed(1)
    genotypes = [SPACE.random_architecture(generator) for _ in range(5_000)]
    cells = [cell for one in genotypes for cell in (one.normal, one.reduce)]
    for node in DartsCell.NODES:
        counts = Counter(cell.edges[2 * node - 4 : 2 * node - 2] for cell in cells)
        choices = math.comb(node, 2) * (len(SPACE.operations) - 1) ** 2
        assert len(counts) == choices
        assert chisquare(list(counts.values())).pvalue > 0.001


def test_pairs_of_a_mask_are_in_the_order_of_inputs() -> None:
    generator = torch.Generator().manual_seed(2)
    genotype = SPACE.random_architecture(generator)
    edges = genotype.normal.edges
    swapped = DartsCell(tuple(edge for a, b in zip(edges[::2], edges[1::2], strict=True)
                              for edge in (b, a)))  # fmt: skip
    other = DartsGenotype(swapped, genotype.reduce)
    assert SPACE.architecture_of(SPACE.mask_of(other)) == genotype


def test_networks() -> None:
    genotype = SPACE.random_architecture(torch.Generator().manual_seed(3))
    cifar = SPACE.network(genotype, num_classes=7, channels=2, cells=3, drop_path=0.1)
    assert isinstance(cifar, DartsNetworkCifar)
    assert cifar.drop_path == 0.1
    assert cifar(torch.randn(2, 3, 16, 16)).shape == (2, 7)
    with torch.device("meta"):
        imagenet = SPACE.network(genotype, 1000, stem="imagenet", auxiliary=True)
        full = SPACE.network(genotype)
    assert isinstance(imagenet, DartsNetworkImageNet)
    assert imagenet.auxiliary_head is not None
    assert (len(imagenet.cells), len(full.cells)) == (14, 20)
    assert sum(p.numel() for p in SPACE.supernet().parameters()) == 5_431
    assert sum(p.numel() for p in SPACE.region_network().parameters()) == 5_413
    assert SPACE.region_network()(torch.randn(4, 1, 3, 3)).shape == (4, 10)
    wide = SPACE.supernet(num_classes=100, in_channels=1, channels=2, cells=3, stem_multiplier=3)
    assert wide(torch.randn(2, 1, 8, 8)).shape == (2, 100)


def test_masks_that_leave_a_choice() -> None:
    genotype = SPACE.random_architecture(torch.Generator().manual_seed(4))
    mask = SPACE.mask_of(genotype)
    (edge,) = [e for e in range(2) if mask[1, e, 3]] or [0]
    more = mask.clone()
    more[1, edge, 1:4] = True
    with pytest.raises(ValueError, match=r"edge \d→2 of the reduce cell keeps \d operations \("):
        SPACE.architecture_of(more)
    with pytest.raises(ValueError, match="node 3 of the normal cell has 3 inputs"):
        SPACE.architecture_of(SPACE.full_mask() & (torch.arange(8) == 2))
    fewer = mask.clone()
    fewer[0, 9:14] = False
    with pytest.raises(ValueError, match="node 5 of the normal cell has 0 inputs, an archit"):
        SPACE.architecture_of(fewer)


def test_shapes_and_foreign_architectures() -> None:
    full = SPACE.full_mask()
    with pytest.raises(ValueError, match=r"shape \(14, 8\) \(edges, operations\)"):
        SPACE.topology(full)
    with pytest.raises(ValueError, match=r"shape \(2, 14, 8\) \(cells, edges, operations\)"):
        SPACE.topologies(full[0])
    cell = next(NasBench201Space().architectures())
    for method in (SPACE.mask_of, SPACE.format, SPACE.to_json, SPACE.network):
        with pytest.raises(ValueError, match="expected a DartsGenotype, got NasBench201Cell"):
            method(cell)  # type: ignore[operator]
    genotype = SPACE.random_architecture(torch.Generator())
    with pytest.raises(ValueError, match=r"two cells; take topologies\(genotype\)"):
        SPACE.topology(genotype)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="stem: expected 'cifar' or 'imagenet', got 'mnist'"):
        SPACE.network(genotype, stem="mnist")  # type: ignore[arg-type]


def test_edges_follow_the_groups() -> None:
    assert all(a[1] == b[0] for a, b in pairwise(SPACE.edge_groups))
    assert SPACE.edge_groups[-1][1] == len(SPACE.edges)


def test_a_child_has_every_node_of_one_parent() -> None:
    generator = torch.Generator().manual_seed(5)
    first, second = (SPACE.random_architecture(generator) for _ in range(2))
    taken = []
    for _ in range(50):
        child = SPACE.crossover(first, second, generator)
        for name in SPACE.cells:
            own, one, other = (getattr(parent, name).edges for parent in (child, first, second))
            for i in range(0, 8, 2):
                node = own[i : i + 2]
                assert node in (one[i : i + 2], other[i : i + 2])
                taken.append(node == one[i : i + 2])
    assert sum(taken) / len(taken) == pytest.approx(0.5, abs=0.1)
    assert SPACE.crossover(first, first, generator) == first


def test_canonical_names_the_isomorphism_class() -> None:
    """By networkx, over wirings of which many are alike."""
    draw = random.Random(0)
    graphs: dict[DartsCell, Any] = {}
    for _ in range(80):
        inputs = [draw.sample(range(min(node, 3)), 2) for node in DartsCell.NODES]
        operations = draw.choices(("skip_connect", "sep_conv_3x3"), weights=(1, 4), k=8)
        cell = DartsCell(tuple(zip(operations, chain(*inputs), strict=True)))
        graph = nx.MultiDiGraph()
        for i, (operation, source) in enumerate(cell.edges):
            graph.add_edge(source, DartsCell.NODES[i // 2], op=operation)
        nx.set_node_attributes(graph, {n: n if n in DartsCell.INPUTS else -1 for n in graph}, "in")
        graphs[cell] = graph
    alike = nx.isomorphism.categorical_multiedge_match("op", None)
    node = nx.isomorphism.categorical_node_match("in", -1)
    same = 0
    for (a, one), (b, other) in combinations(graphs.items(), 2):
        isomorphic = nx.is_isomorphic(one, other, node_match=node, edge_match=alike)
        canonical = [SPACE.canonical(DartsGenotype(cell, cell)) for cell in (a, b)]
        assert isomorphic == (canonical[0] == canonical[1])
        same += isomorphic
    assert same > 5


def test_published_genotypes_with_none_or_an_input_twice_have_networks_and_no_mask() -> None:
    pairs = (("sep_conv_3x3", 0), ("skip_connect", 1)) * 3
    for last in ((("none", 0), ("max_pool_3x3", 1)), (("dil_conv_3x3", 0), ("max_pool_3x3", 0))):
        cell = DartsCell((*pairs, *last))
        genotype = DartsGenotype(cell, cell)
        assert SPACE.parse(SPACE.format(genotype)) == genotype
        network = SPACE.network(genotype, 5, 3, channels=2, cells=3)
        assert network(torch.randn(2, 3, 16, 16)).shape == (2, 5)
        near = SPACE.mutate(genotype, torch.Generator().manual_seed(0))
        assert near != genotype
        with pytest.raises(ValueError, match="into node 5 has no mask"):
            SPACE.mask_of(genotype)


@pytest.mark.real_data
def test_the_published_sample_is_read(shared_data: Path) -> None:
    with (shared_data / "darts_sample.csv").open(newline="") as file:
        genotypes = [SPACE.parse(row["genotype"]) for row in csv.DictReader(file)]
    assert len(set(genotypes)) == 500
    assert any(name == "none" for one in genotypes for name, _ in one.normal.edges)
    for genotype in genotypes:
        assert SPACE.parse(SPACE.format(genotype)) == genotype
        assert set(SPACE.topologies(genotype)) == {"normal", "reduce"}
