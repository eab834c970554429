"""A picture of a topology."""

from typing import Any

import networkx as nx
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from models.topology.depth_width import Topology, effective_depth_width, graph_of

_STYLES: dict[str, dict[str, Any]] = {
    "operation": {"color": "tab:blue", "linestyle": "solid", "linewidth": 2.0},
    "skip or pooling": {"color": "tab:orange", "linestyle": "solid", "linewidth": 1.4},
    "removed": {"color": "lightgrey", "linestyle": "dotted", "linewidth": 1.2},
}


def draw_topology(topology: Topology, title: str = "") -> Figure:
    """Draw nodes from left to right, and operation, skip and removed edges in their own styles.

    Args:
        topology: as for `effective_depth_width`.
        title: stands before d̄ and m̄.

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

    figure = Figure(figsize=(1.9 * max(len(order), 3), 4), layout="constrained")
    axes = figure.subplots()
    axes.axis("off")
    axes.set(aspect="equal", xlim=(-0.3, len(order) - 0.7), ylim=(-0.95, 0.95))
    nx.draw_networkx_nodes(graph, position, ax=axes, node_color="white", edgecolors="black")
    nx.draw_networkx_labels(graph, position, ax=axes, font_size=9)
    parallel: dict[tuple[Any, Any], int] = {}
    for source, target, data in graph.edges(data=True):
        style = "operation" if data["operations"] else "skip or pooling"
        bend = parallel[source, target] = parallel.get((source, target), 0) + 1
        _edge(axes, graph, position, (source, target), style, bend, data.get("label", ""))
    for edge in graph.graph.get("removed", ()):
        _edge(axes, graph, position, edge, "removed", 1, "")
    handles = [Line2D([], [], label=name, **style) for name, style in _STYLES.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    axes.set_title(f"{title}  effective depth {depth:.3f}, effective width {width:.3f}".strip())
    return figure


def _edge(
    axes: Any,
    graph: "nx.DiGraph[Any]",
    position: dict[Any, tuple[float, float]],
    edge: tuple[Any, Any],
    style: str,
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
        "shrinkA": 9,
        "shrinkB": 9,
    }
    axes.annotate("", xy=(x1, y1), xytext=(x0, y0), arrowprops=arrow | _STYLES[style])
    if label and label not in ("operation", "skip", "concat"):
        # The middle of the quadratic curve that `arc3` draws.
        x, y = (x0 + x1 + curve * dy) / 2, (y0 + y1 - curve * dx) / 2
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
        axes.text(x, y, label, fontsize=6, ha="center", va="center", bbox=box)
