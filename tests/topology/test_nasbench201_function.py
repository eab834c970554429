"""Cells of one function text compute the same functions, by networks with shared weights."""

import copy
import itertools
from collections.abc import Iterator

import networkx as nx
import pytest
import torch
from torch import Tensor, nn

from models.networks.nasbench201 import CellModule
from models.spaces import NasBench201Space
from models.topology import NasBench201Cell, effective_depth_width

SPACE = NasBench201Space()
CELLS = list(SPACE.architectures())
X = torch.randn(2, 2, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def live(cell: NasBench201Cell) -> list[int]:
    """Edges with parameters that lie on a path from input to output."""
    reach, leads = nx.descendants(cell.graph, 0) | {0}, nx.ancestors(cell.graph, 3) | {3}
    return [
        i
        for i, (source, target) in enumerate(cell.EDGES)
        if cell.operations[i] in cell.PARAMETERISED and source in reach and target in leads
    ]


def module(cell: NasBench201Cell) -> CellModule:
    torch.manual_seed(0)
    return CellModule(cell, 2).double()


def outputs(cell: NasBench201Cell, given: list[nn.Module]) -> Iterator[Tensor]:
    """What the cell computes with the operations given, in every order on its live edges."""
    own, edges = module(cell), live(cell)
    for order in itertools.permutations(given):
        kinds = [one[1].kernel_size for one in order]  # type: ignore[index]
        if kinds == [own.operations[i][1].kernel_size for i in edges]:  # type: ignore[index]
            for i, one in zip(edges, order, strict=True):
                own.operations[i] = one
            yield own(X)


def same(cell: NasBench201Cell, other: NasBench201Cell) -> bool:
    """Whether some exchange of weights makes two cells compute the same."""
    first = module(cell)
    given = [copy.deepcopy(first.operations[i]) for i in live(cell)]
    if len(given) != len(live(other)):
        return False
    expected = first(X)
    return any(torch.allclose(expected, y, rtol=1e-9) for y in outputs(other, given))


def test_members_of_a_class_compute_the_same() -> None:
    chosen = torch.randperm(len(CELLS), generator=torch.Generator().manual_seed(1))[:60].tolist()
    for cell in (CELLS[i] for i in chosen):
        assert same(cell, SPACE.canonical(cell)), str(cell)


def test_members_of_two_classes_do_not() -> None:
    """Cells with the same operations in another order."""
    generator = torch.Generator().manual_seed(2)
    tried = 0
    for i in torch.randperm(len(CELLS), generator=generator)[:150].tolist():
        cell = CELLS[i]
        other = NasBench201Cell(tuple(reversed(cell.operations)))
        if cell.function == other.function or "avg_pool_3x3" in cell.operations:
            continue
        tried += 1
        assert not same(cell, other), f"{cell} {other}"
    assert tried > 30


@pytest.mark.parametrize(
    ("text", "function"),
    [
        (
            "|skip_connect~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|avg_pool_3x3~2|",
            "avg_pool_3x3(#1) + x; #1 = nor_conv_1x1(x)",
        ),
        # the brackets of a sum do not matter: node 1 is x, node 2 is x + x
        (
            "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|",
            "x + x + x",
        ),
        # of two operations alike each has its own weights; one is used twice
        (
            "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|",
            "#1 + #2; #1 = nor_conv_3x3(x); #2 = nor_conv_3x3(x)",
        ),
        (
            "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|",
            "#1 + #1; #1 = nor_conv_3x3(x)",
        ),
        # nothing leads into node 1, and so nothing out of it
        ("|none~0|+|none~0|nor_conv_3x3~1|+|none~0|avg_pool_3x3~1|skip_connect~2|", ""),
        (
            "|nor_conv_1x1~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_3x3~2|",
            "#2; #1 = nor_conv_1x1(x); #2 = nor_conv_3x3(#1)",
        ),
    ],
)
def test_functions(text: str, function: str) -> None:
    assert NasBench201Cell.parse(text).function == function


def test_a_representative_has_no_dead_operation_and_its_class_s_depth_and_width() -> None:
    for cell in CELLS[::31]:
        first = SPACE.canonical(cell)
        assert first.function == cell.function
        assert SPACE.canonical(first) == first
        kept = [i for i, name in enumerate(first.operations) if name in first.PARAMETERISED]
        assert kept == live(first)
        assert effective_depth_width(first) == pytest.approx(effective_depth_width(cell))
