"""A picture of a topology, readable in a tile of 300 pixels and in a paper."""

from typing import Any

import networkx as nx
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from models.topology.depth_width import Topology, effective_depth_width, graph_of

Style = dict[str, Any]
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

    Where edges carry more than five operations of a kind, these share one style and are named on
    their edges instead; where an edge carries several at once, as in a supernet, without names.
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
    order = list(nx.lexicographical_topological_sort(graph, key=str))
    # A zigzag keeps edges over several nodes from lying on top of one another.
    position: dict[Any, tuple[float, float]] = {
        node: (float(i), 0.5 * (-1) ** i * (0 < i < len(order) - 1)) for i, node in enumerate(order)
    }
    styles = _styles(graph)

    figure = Figure(figsize=(max(4, 0.75 * len(order)), 3.4), layout="constrained")
    axes = figure.subplots()
    axes.axis("off")
    axes.set(xlim=(-0.35, max(len(order), 2) - 0.65), ylim=(-0.95, 0.95))
    nx.draw_networkx_nodes(
        graph, position, ax=axes, node_size=420, node_color="white", edgecolors="black"
    )
    nx.draw_networkx_labels(graph, position, ax=axes, font_size=13)
    parallel: dict[tuple[Any, Any], int] = {}
    drawn: dict[str, Style] = {}
    for source, target, data in graph.edges(data=True):
        name, kind = data.get("label", ""), _KINDS[not data["operations"]]
        key = name if name in styles else kind
        drawn[key] = styles.get(key, _BASE[kind])
        bend = parallel[source, target] = parallel.get((source, target), 0) + 1
        written = "" if name in styles or name in _GENERIC or "\n" in name else name
        _edge(axes, position, (source, target), drawn[key], bend, written)
    for edge in graph.graph.get("removed", ()):
        drawn["removed"] = _BASE["removed"]
        _edge(axes, position, edge, drawn["removed"], 1, "")
    handles = [Line2D([], [], label=name, **style) for name, style in drawn.items()]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=2, frameon=False, handlelength=3
    )
    heading = f"{title}\n" if title else ""
    axes.set_title(f"{heading}effective depth {depth:.2f}, width {width:.2f}", fontsize=12)
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


def _edge(
    axes: Any,
    position: dict[Any, tuple[float, float]],
    edge: tuple[Any, Any],
    style: Style,
    bend: int,
    label: str,
) -> None:
    """One arrow, bent more the more nodes it passes over, and its operations' names."""
    (x0, y0), (x1, y1) = position[edge[0]], position[edge[1]]
    dx, dy = x1 - x0, y1 - y0
    side = 1 if y0 + y1 < 0 or (y0 + y1 == 0 and bend % 2) else -1
    curve = side * (0.06 * (dx - 1) + 0.25 * (bend - 1) + 0.04)
    arrow = {
        "arrowstyle": "-|>",
        "connectionstyle": f"arc3,rad={curve}",
        "shrinkA": 11,
        "shrinkB": 11,
    }
    axes.annotate("", xy=(x1, y1), xytext=(x0, y0), arrowprops=arrow | style)
    if label:
        # The middle of the quadratic curve that `arc3` draws.
        x, y = (x0 + x1 + curve * dy) / 2, (y0 + y1 - curve * dx) / 2
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
        axes.text(x, y, label, fontsize=7, ha="center", va="center", bbox=box)
