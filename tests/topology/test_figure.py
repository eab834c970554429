"""The picture of a topology."""

import io
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex

from models.topology import Dag, DartsCell, NasBench201Cell, draw_topology, supernet_graph
from models.topology.residual_chain import ChainBlock, residual_chain

STYLES = {
    "operation": ("tab:blue", "solid"),
    "skip": ("tab:orange", "dashed"),
    "removed": ("lightgrey", "dotted"),
}


def arrows(figure: Any) -> list[tuple[str, str]]:
    """Colour and line style of every arrow."""
    return [(to_hex(p.get_edgecolor()), p.get_linestyle()) for p in figure.axes[0].patches]


def test_operation_skip_and_removed_edges_are_told_apart() -> None:
    figure = draw_topology(Dag.parse("2_21_102"), "cell")
    names = {(to_hex(colour), style): name for name, (colour, style) in STYLES.items()}
    drawn = [names[arrow] for arrow in arrows(figure)]
    assert sorted(drawn) == ["operation"] * 3 + ["removed"] + ["skip"] * 2
    (title,) = (text.get_text() for text in figure.texts)
    assert title == "cell\neffective depth 1.33, width 1.50"
    assert legend(figure) == ["operation", "removed", "skip or pooling"]


def test_every_operation_has_a_style_of_its_own() -> None:
    names = ("nor_conv_3x3", "nor_conv_1x1", "skip_connect", "avg_pool_3x3", "none", "nor_conv_3x3")
    figure = draw_topology(NasBench201Cell(names))
    assert legend(figure) == sorted({*names, "removed"} - {"none"})
    drawn = set(arrows(figure))
    assert (
        len(drawn) == len({colour for colour, _ in drawn}) == len({line for _, line in drawn}) == 5
    )


def legend(figure: Any) -> list[str]:
    return sorted(text.get_text() for text in figure.legends[0].get_texts())


@pytest.mark.parametrize(
    "topology",
    [
        NasBench201Cell(("none",) * 6),
        DartsCell(tuple(("sep_conv_3x3", i % 2) for i in range(8))),
        supernet_graph(
            [[False, True, True, True, True]] * 6,
            NasBench201Cell.EDGES,
            NasBench201Cell.OPERATIONS,
            NasBench201Cell.PARAMETERISED,
            (0,),
            3,
        ),
    ],
)
def test_every_topology_can_be_drawn(topology: Any) -> None:
    before = mpl.get_backend()
    picture = io.BytesIO()
    draw_topology(topology).savefig(picture, format="png")
    assert picture.getvalue().startswith(b"\x89PNG")
    assert mpl.get_backend() == before


@pytest.mark.parametrize("dag", ["2_21_112", "2_22_222_2222_22222_222222"])
def test_arrows_pass_by_the_nodes_between_their_ends(dag: str) -> None:
    figure = draw_topology(Dag.parse(dag))
    (axes,) = figure.axes
    nodes = [axes.transData.transform(text.get_position()) for text in axes.texts]
    radius = 0.14 * figure.dpi
    for arrow in axes.patches:
        curve = arrow.get_transform().transform_path(arrow.get_path()).interpolated(50).vertices
        gaps = [np.hypot(*(curve - node).T).min() for node in nodes]
        assert sum(gap < radius for gap in gaps) == 2  # its ends


def test_a_long_chain_goes_back_and_forth() -> None:
    blocks = [ChainBlock(2, bool(i % 2), f"block {i}") for i in range(16)]
    figure = draw_topology(residual_chain(blocks), "network")
    assert figure.get_figwidth() == 4
    (axes,) = figure.axes
    places = {text.get_text(): text.get_position() for text in axes.texts}
    rows = [[places[str(i)] for i in range(start, min(start + 5, 17))] for start in range(0, 17, 5)]
    for number, row in enumerate(rows):
        assert len({y for _, y in row}) == 1
        assert [x for x, _ in row] == sorted((x for x, _ in row), reverse=number % 2 == 1)
    assert places["4"][0] == places["5"][0]
    for text in axes.texts:
        assert 0 < text.get_window_extent().x0 < text.get_window_extent().x1 < 400
