"""The NDS family: published networks, draws, neighbours, damaged texts, and a search."""

import csv
import math
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from scipy.stats import chi2

from models import ArchitectureClassifier
from models.export import export
from models.spaces import NdsSpace, space_named
from models.spaces.nds import Name
from models.topology import effective_depth_width

NAMES: tuple[Name, ...] = get_args(Name)
FOLDER = Path(__file__).parents[1] / "data" / "nds"


@pytest.fixture(params=NAMES)
def space(request: pytest.FixtureRequest) -> NdsSpace:
    return NdsSpace(request.param)


def _draw(space: NdsSpace, number: int, seed: int = 0) -> list[Any]:
    generator = torch.Generator().manual_seed(seed)
    return [space.random_architecture(generator) for _ in range(number)]


def _parameters(name: Name, genotype: str, **sizes: Any) -> int:
    space = NdsSpace(name)
    with torch.device("meta"):
        network = space.network(
            space.parse((FOLDER / f"{genotype}.txt").read_text().strip()), **sizes
        )
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("name", "genotype", "channels", "cells", "millions"),
    [
        ("darts", "darts_v2", 36, 20, 3.3),
        ("darts", "p_darts", 36, 20, 3.4),
        ("darts", "pc_darts", 36, 20, 3.6),
        ("nasnet", "nasnet_a", 32, 20, 3.3),
        ("amoeba", "amoebanet_a", 36, 20, 3.2),
        ("pnas", "pnasnet_5", 48, 9, 3.2),
    ],
)
def test_published_networks_have_their_parameters(
    name: Name, genotype: str, channels: int, cells: int, millions: float
) -> None:
    ours = _parameters(name, genotype, channels=channels, cells=cells)
    assert ours / 1e6 == pytest.approx(millions, rel=0.02)


def test_published_networks_that_are_built_otherwise() -> None:
    """ENAS's own network has 4.6 million: docs/spaces.md says what differs."""
    assert _parameters("darts", "darts_v2", channels=36, cells=20) == 3_349_342
    assert _parameters("nasnet", "nasnet_a", channels=32, cells=20) == 3_287_274
    assert _parameters("enas", "enas", channels=36, cells=17) == 3_729_430
    assert _parameters("enas", "enas", channels=36, cells=17, auxiliary=True) == 4_224_288


def test_cells_are_as_many_as_in_the_paper() -> None:
    billions = {"darts": 242, "nasnet": 71_465_842, "amoeba": 556_628, "pnas": 556_628}
    for name, number in (billions | {"enas": 5_063}).items():
        of_one_cell = math.isqrt(NdsSpace(name).count)  # type: ignore[arg-type]
        assert abs(of_one_cell / 1e9 - number) <= 0.5
        assert of_one_cell**2 == NdsSpace(name).count  # type: ignore[arg-type]


def test_the_name(space: NdsSpace) -> None:
    named = space_named(space.name)
    assert isinstance(named, NdsSpace)
    assert (named.name, named.operations, named.nodes) == (
        space.name,
        space.operations,
        space.nodes,
    )


def test_an_unknown_family() -> None:
    with pytest.raises(ValueError, match=r"name: expected one of darts, nasnet.*, got 'nao'"):
        NdsSpace("nao")  # type: ignore[arg-type]


def test_draws_are_uniform(space: NdsSpace) -> None:
    drawn = _draw(space, 10_000)
    for cell in range(2):
        for i in range(2 * space.nodes):
            seen = Counter(architecture[cell].edges[i] for architecture in drawn)
            choices = len(space.operations) * (2 + i // 2)
            assert len(seen) == choices
            expected = len(drawn) / choices
            statistic = sum((count - expected) ** 2 for count in seen.values()) / expected
            # 10⁻⁶: twenty choices each in five spaces are looked at
            assert statistic < chi2.isf(1e-6, choices - 1)


def test_neighbours_differ_in_one_pair_and_lead_everywhere(space: NdsSpace) -> None:
    generator = torch.Generator().manual_seed(0)
    (architecture,) = _draw(space, 1)
    seen: list[set[Any]] = [set() for _ in range(4 * space.nodes)]
    for _ in range(2_000):
        near = space.mutate(architecture, generator)
        before, after = ([*a.normal.edges, *a.reduce.edges] for a in (architecture, near))
        (place,) = [i for i, (x, y) in enumerate(zip(before, after, strict=True)) if x != y]
        assert before[place][0] == after[place][0] or before[place][1] == after[place][1]
        assert space.parse(space.format(near)) == near
        seen[place].add(after[place])
        architecture = near
    for place, pairs in enumerate(seen):
        inputs = 2 + place % (2 * space.nodes) // 2
        assert {name for name, _ in pairs} == set(space.operations)
        assert {source for _, source in pairs} == set(range(inputs))


def test_children_have_each_pair_of_one_parent(space: NdsSpace) -> None:
    first, second = _draw(space, 2)
    child = space.crossover(first, second, torch.Generator().manual_seed(0))
    for a, b, c in zip(first, second, child, strict=True):
        assert all(z in (x, y) for x, y, z in zip(a.edges, b.edges, c.edges, strict=True))
    assert child not in (first, second)


def test_a_published_cell_that_concatenates_an_input() -> None:
    """NASNet-A's normal cell does; so do its neighbours, its children and its canonical cell."""
    space, generator = NdsSpace("nasnet"), torch.Generator().manual_seed(0)
    one = space.parse((FOLDER / "nasnet_a.txt").read_text().strip())
    assert one.normal.kept_inputs == (0,)
    assert space.parse(space.format(one)) == space.from_json(space.to_json(one)) == one
    for other in (space.mutate(one, generator), space.canonical(one)):
        assert other.normal.kept_inputs == (0,)
        assert space.parse(space.format(other)) == other
    children = [space.crossover(one, *_draw(space, 1), generator) for _ in range(20)]
    assert {child.normal.kept_inputs for child in children} == {(), (0,)}
    with pytest.raises(ValueError, match="is no cell of nds_nasnet"):
        space.format(one._replace(reduce=one.normal))
    darts = NdsSpace("darts")
    value = darts.to_json(*_draw(darts, 1)) | {"normal_concat": [0, 2, 3, 4, 5]}
    with pytest.raises(ValueError, match=r"normal_concat is \[0, 2, .*expected .*all nodes"):
        darts.from_json(value)


def test_isomorphic_architectures_have_equal_networks(space: NdsSpace) -> None:
    for architecture in _draw(space, 5):
        canonical = space.canonical(architecture)
        for ours, other in zip(architecture, canonical, strict=True):
            assert effective_depth_width(ours) == pytest.approx(effective_depth_width(other))
            swapped = [ours.edges[i ^ 1] for i in range(len(ours.edges))]
            assert type(ours).of(swapped, space.loose_ends).canonical == other
        sizes = [
            sum(p.numel() for p in space.network(one, channels=4, cells=3).parameters())
            for one in (architecture, canonical)
        ]
        assert sizes[0] == sizes[1]


def test_what_is_refused_is_named() -> None:
    space = NdsSpace("enas")
    (architecture,) = _draw(space, 1)
    value = space.to_json(architecture)
    for change, line in (
        ({"normal": 3}, r"normal: expected 10 \(operation, input\) pairs, got 3"),
        ({"normal": value["normal"][:8]}, "normal: expected 10 .* pairs, got 8"),
        ({"reduce": [["sep_conv_7x7", 0]] * 10}, "reduce: unknown operation 'sep_conv_7x7'"),
        ({"reduce": [["sep_conv_3x3", True]] * 10}, r"\['sep_conv_3x3', True\] is not a pair"),
        ({"reduce": [["sep_conv_3x3", 2]] * 10}, "enters node 2; its inputs are 0 to 1"),
        ({"normal_concat": [9]}, r"normal_concat is \[9\], expected .*: nodes that no node takes"),
        ({"normal_concat": [0]}, "normal_concat is .*: nodes that no node takes, and inputs 0 and"),
        ({"reduce_concat": [0, *value["reduce_concat"]]}, r"reduce_concat is \[0, .*takes$"),
        ({"reduce_concat": range(10**30)}, r"reduce_concat is range\(0"),
        ({"other": 1}, "unknown field 'other'; allowed: normal"),
    ):
        with pytest.raises(ValueError, match=line):
            space.from_json(value | change)
    with pytest.raises(ValueError, match="enas genotype: reduce is missing"):
        space.from_json({"normal": value["normal"]})
    with pytest.raises(ValueError, match="expected a NdsGenotype, got str"):
        space.format("other")  # type: ignore[arg-type]
    (other,) = _draw(NdsSpace("nasnet"), 1, seed=1)
    with pytest.raises(ValueError, match="is no cell of nds_enas"):
        space.network(other)


@pytest.mark.real_data
def test_reads_published_samples_with_none_and_twice_one_input(shared_data: Path) -> None:
    space = NdsSpace("darts")
    with (shared_data / "darts_sample.csv").open(newline="") as lines:
        texts = [row["genotype"] for row in csv.DictReader(lines)]
    assert len(texts) == 500
    assert all(space.parse(space.format(space.parse(text))) == space.parse(text) for text in texts)


def _classifier(space: NdsSpace, architecture: Any) -> ArchitectureClassifier:
    sizes = {"channels": 2, "cells": 2}
    return ArchitectureClassifier(
        space.name, space.format(architecture), (1, 8, 8), 10, sizes=sizes
    )


@pytest.mark.slow
def test_onnx_has_all_operations_of_the_largest_family(tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package)
    runtime = pytest.importorskip("onnxruntime")
    space = NdsSpace("nasnet")
    names = [*space.operations, *space.operations[:7]]
    pairs = [[name, i % 2] for i, name in enumerate(names)]
    model = _classifier(space, space.from_json({"normal": pairs[:10], "reduce": pairs[10:]})).eval()
    export(model, tmp_path / "model.onnx")
    images = torch.randn(3, 1, 8, 8)
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"))
    (logits,) = session.run(["logits"], {"images": images.numpy()})
    torch.testing.assert_close(torch.from_numpy(logits), model(images), rtol=1e-4, atol=1e-4)
