"""The paper's map of a space: accuracy over effective depth and width."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

Array = np.ndarray[Any, np.dtype[np.float64]]


def centre_and_radii(depth: Array, width: Array) -> tuple[Array, Array]:
    """Middle and half the range of (d̄, m̄) over DAGs with d̄ > 0 (the depth/width filter's)."""
    points = np.stack([depth, width])[:, depth > 0]
    if not points.size:
        return np.zeros(2), np.zeros(2)
    low, high = points.min(1), points.max(1)
    return (low + high) / 2, (high - low) / 2


def depth_width_map(depth: Array, width: Array, accuracy: Array, label: str) -> Figure:
    """Accuracy over effective depth and width (arXiv 2205.05662, Figure 5).

    Architectures of equal depth and width share a point: their mean. The box is what the
    depth/width filter keeps at ρ = ½ of the architectures shown.
    """
    points, place = np.unique(np.stack([depth, width], axis=1), axis=0, return_inverse=True)
    place = place.reshape(-1)
    counts = np.bincount(place)
    means = np.bincount(place, weights=accuracy) / counts

    figure = Figure(figsize=(6.5, 4.5), layout="constrained")
    axes = figure.subplots()
    dots = axes.scatter(
        points[:, 0], points[:, 1], c=means, s=25 + 8 * np.sqrt(counts), cmap="viridis"
    )
    figure.colorbar(dots, ax=axes, label=label)
    centre, radii = centre_and_radii(depth, width)
    corner = (float(centre[0] - radii[0] / 2), float(centre[1] - radii[1] / 2))
    box = Rectangle(corner, float(radii[0]), float(radii[1]), fill=False, ls="--", ec="tab:red")
    axes.add_patch(box)
    axes.set(xlabel="effective depth d̄", ylabel="effective width m̄")
    axes.grid(alpha=0.3)
    return figure
