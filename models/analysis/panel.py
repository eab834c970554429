"""Panels at fixed places: a layout engine takes as long as all that it lays out."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator


def add_panel(
    figure: Figure, left: float, bottom: float, width: float, height: float, **arguments: Any
) -> Axes:
    """Add axes of short numbers and few ticks, each of which takes a millisecond to draw.

    Args:
        figure: which gets them.
        left: inches from its edge to the axes, and so on.
        bottom: from its lower edge.
        width: of the axes in inches.
        height: likewise.
        arguments: of `Figure.add_axes`.
    """
    across, up = figure.get_size_inches()
    axes = figure.add_axes((left / across, bottom / up, width / across, height / up), **arguments)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.ticklabel_format(scilimits=(-3, 4))
    return axes
