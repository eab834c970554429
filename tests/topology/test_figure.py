"""The picture of a topology."""

import io
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.colors import to_hex

from models.topology import Dag, DartsCell, NasBench201Cell, draw_topology, supernet_graph

STYLES = {
    "operation": ("tab:blue", "solid"),
    "skip": ("tab:orange", "solid"),
    "removed": ("lightgrey", "dotted"),
}


def arrows(figure: Any) -> list[tuple[str, str]]:
    """Colour and line style of every arrow."""
    patches = [text.arrow_patch for text in figure.axes[0].texts if hasattr(text, "arrow_patch")]
    return [(to_hex(p.get_edgecolor()), p.get_linestyle()) for p in patches if p is not None]


def test_operation_skip_and_removed_edges_are_told_apart() -> None:
    figure = draw_topology(Dag.parse("2_21_102"), "cell")
    names = {(to_hex(colour), style): name for name, (colour, style) in STYLES.items()}
    drawn = [names[arrow] for arrow in arrows(figure)]
    assert sorted(drawn) == ["operation"] * 3 + ["removed"] + ["skip"] * 2
    title = figure.axes[0].get_title()
    assert title.startswith("cell  effective depth 1.333, effective width 1.500")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "operation",
        "skip or pooling",
        "removed",
    ]


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
