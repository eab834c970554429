"""A picture of a topology, readable in a tile of 300 pixels and in a paper."""

import math
from typing import Any

import networkx as nx
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch

from models.topology.depth_width import Topology, effective_depth_width, graph_of

Style = dict[str, Any]
Places = dict[Any, tuple[float, float]]
_MARGIN = 0.25
"""Inches from the first node to the figure's side; a node's radius is 0.14."""
_KINDS = ("operation", "skip or pooling")
_BASE: dict[str, Style] = {
    "operation": {"color": "tab:blue", "linestyle": "solid", "linewidth": 2.2},
    "skip or pooling": {"color": "tab:orange", "linestyle": "dashed", "linewidth": 1.6},
    "removed": {"color": "lightgrey", "linestyle": "dotted", "linewidth": 1.2},
    "concat": {"color": "grey", "linestyle": "solid", "linewidth": 0.7},
}
# Colour and line differ, for those who cannot tell the colours and for print in grey.
_LINES: dict[str, tuple[Any, ...]] = {
    "operation": (
        "solid",
        (0, (7, 1)),
        (0, (8, 2, 2, 2)),
        (0, (5, 1, 1, 1)),
        (0, (3, 1, 3, 1, 1, 1)),
    ),
    "skip or pooling": ("dashed", (0, (1, 1)), (0, (2, 1)), (0, (4, 3)), (0, (1, 2))),
}
_COLOURS = {
    "operation": ("tab:blue", "tab:green", "tab:purple", "tab:brown", "tab:cyan"),
    "skip or pooling": ("tab:orange", "tab:red", "tab:pink", "tab:olive", "gold"),
}
_GENERIC = ("", "operation", "skip", "concat")


def draw_topology(topology: Topology, title: str = "") -> Figure:
    """Draw nodes from left to right, and every kind of operation in a colour and line of its own.

    A long chain goes back and forth in rows. Where edges carry more than five operations of a kind,
    these share one style and are named on their edges instead; where an edge carries several at
    once, as in a supernet, without names.
    `draw_topology(cell).savefig("cell.pdf")` writes the figure for a paper.

    Args:
        topology: as for `effective_depth_width`.
        title: stands above d̄ and m̄.

    Returns:
        A matplotlib figure that no window owns.

    Raises:
        ValueError: as `effective_depth_width`.
    """
    depth, width = effective_depth_width(topology)
    graph = graph_of(topology)
    styles = _styles(graph)
    parallel: dict[tuple[Any, Any], int] = {}
    drawn: dict[str, Style] = {}
    arrows: list[tuple[tuple[Any, Any], int, Style, str]] = []
    for source, target, data in graph.edges(data=True):
        name, kind = data.get("label", ""), _KINDS[not data["operations"]]
        key = name if name in styles else kind
        drawn[key] = styles.get(key, _BASE[kind])
        number = parallel[source, target] = parallel.get((source, target), -1) + 1
        written = "" if name in styles or name in _GENERIC or "\n" in name else name
        arrows.append(((source, target), number, drawn[key], written))
    for edge in graph.graph.get("removed", ()):
        drawn["removed"] = _BASE["removed"]
        arrows.append((edge, 0, drawn["removed"], ""))

    # All is in inches: a layout engine would take as long as the drawing.
    below, above = 0.1 + 0.21 * -(-len(drawn) // 2), 0.5 if title else 0.3
    places, wide, middle = _places(graph, 3.4 - below - above)
    high = below + 2 * middle + above
    figure = Figure(figsize=(wide, high))
    axes = figure.add_axes((0, below / high, 1, 2 * middle / high))
    axes.set_axis_off()
    axes.set(xlim=(0, wide), ylim=(-middle, middle))
    aside = 0.1 if _is_long_chain(graph) else 0.0
    for edge, number, style, name in arrows:
        bend = _bend(edge, places, middle, number)
        _draw_edge(axes, edge, places, bend, style, name, aside)
    xs, ys = zip(*places.values(), strict=True)
    axes.scatter(xs, ys, s=420, c="white", edgecolors="black")
    for node, (x, y) in places.items():
        axes.text(x, y, str(node), fontsize=13, ha="center", va="center_baseline")
    handles = [Line2D([], [], label=name, **style) for name, style in drawn.items()]
    figure.legend(handles=handles, loc="lower center", ncols=2, frameon=False, handlelength=3)
    heading = f"{title}\n" if title else ""
    heading += f"effective depth {depth:.2f}, width {width:.2f}"
    figure.text(0.5, 1 - above / 2 / high, heading, fontsize=12, ha="center", va="center")
    return figure


def _styles(graph: "nx.DiGraph[Any]") -> dict[str, Style]:
    """Return a style per operation's name, of the names that have one."""
    styles: dict[str, Style] = {"concat": _BASE["concat"]}
    for kind in _KINDS:
        names = {
            data.get("label", "")
            for _, _, data in graph.edges(data=True)
            if _KINDS[not data["operations"]] == kind
        }.difference(_GENERIC)
        if len(names) > len(_LINES[kind]) or any("\n" in name for name in names):
            continue
        for name, colour, line in zip(sorted(names), _COLOURS[kind], _LINES[kind], strict=False):
            styles[name] = _BASE[kind] | {"color": colour, "linestyle": line}
    return styles


def _is_long_chain(graph: "nx.DiGraph[Any]") -> bool:
    """Whether every edge leads to the next node, and there are too many for one row."""
    ends = (graph.successors, graph.predecessors)
    return len(graph) > 8 and all(len(set(end(node))) <= 1 for node in graph for end in ends)


def _places(graph: "nx.DiGraph[Any]", high: float) -> tuple[Places, float, float]:
    """Place the nodes of a graph from left to right, and those of a long chain back and forth.

    Args:
        graph: of the nodes.
        high: inches that one row has.

    Returns:
        Where each node lies, in inches from the middle of the left side; how wide the figure is;
        and how far it reaches above and below the middle.
    """
    order = list(nx.lexicographical_topological_sort(graph, key=str))
    length = 5 if _is_long_chain(graph) else len(order)
    rows = -(-len(order) // length)
    wide = max(4.0, 0.45 * length)
    step = (wide - 2 * _MARGIN) / max(1, length - 1)
    places = {}
    for i, node in enumerate(order):
        row, column = divmod(i, length)
        column = length - 1 - column if row % 2 else column
        # A zigzag keeps edges over several nodes from lying on top of one another.
        zigzag = 0.6 * (-1) ** i * (rows == 1 and 0 < i < len(order) - 1)
        places[node] = _MARGIN + step * column, 0.375 * (rows - 1) - 0.75 * row + zigzag
    return places, wide, high / 2 if rows == 1 else 0.375 * rows


def _bend(edge: tuple[Any, Any], places: Places, middle: float, number: int) -> float:
    """Choose how far an arrow is bent: as little as passes by the nodes between its ends.

    Args:
        edge: source and target.
        places: of all nodes, in inches from the middle of the left side.
        middle: inches above and below.
        number: of the edge among those between the same nodes, which lie apart.

    Returns:
        What `arc3` calls `rad`.
    """
    (x0, y0), (x1, y1) = (places[node] for node in edge)
    between = [(x, y) for x, y in places.values() if min(x0, x1) < x < max(x0, x1)]
    first = 1 if y0 + y1 < 0 or not y0 + y1 else -1
    found = []
    for size in range(12):
        for side in (first, -first):
            bend = side * (0.05 + 0.1 * size)
            control = (y0 + y1) / 2 - bend * (x1 - x0)
            if abs(y0 / 4 + control / 2 + y1 / 4) > middle:
                continue
            shares = [((x - x0) / (x1 - x0), y) for x, y in between]
            gaps = (
                abs((1 - t) ** 2 * y0 + 2 * t * (1 - t) * control + t**2 * y1 - y)
                for t, y in shares
            )
            if all(gap > 0.2 for gap in gaps):
                found.append(bend)
    return found[3 * number % len(found)] if found else 0.05 * first


def _draw_edge(
    axes: Any,
    edge: tuple[Any, Any],
    places: Places,
    bend: float,
    style: Style,
    name: str,
    aside: float,
) -> None:
    """Draw one arrow, and its operations' names in its middle, or some inches aside of it."""
    (x0, y0), (x1, y1) = (places[node] for node in edge)
    axes.add_patch(
        FancyArrowPatch(
            (x0, y0),
            (x1, y1),
            arrowstyle="-|>",
            connectionstyle=f"arc3,rad={bend}",
            shrinkA=11,
            shrinkB=11,
            mutation_scale=10,
            **style,
        )
    )
    if name:
        # The middle of the quadratic curve that `arc3` draws, and on from there.
        bend += math.copysign(2 * aside / math.dist((x0, y0), (x1, y1)), bend)
        x, y = (x0 + x1 + bend * (y1 - y0)) / 2, (y0 + y1 - bend * (x1 - x0)) / 2
        side = "center"
        if aside and x0 == x1:  # at the end of a row: towards the middle
            x, side = (x0 + aside, "left") if x0 < axes.get_xlim()[1] / 2 else (x0 - aside, "right")
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
        axes.text(x, y, name, fontsize=7, ha=side, va="center", bbox=box, zorder=2)
