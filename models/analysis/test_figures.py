"""Figures of a tested classifier: which classes it confuses, and where it was surely wrong."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

_WRITTEN = 20  # classes; of more, numbers in cells cannot be read
_COLUMNS = 4


def confusion_figure(counts: "np.ndarray", classes: Sequence[str]) -> Figure:
    """Draw how often images of a class (row) are taken for another (column).

    Args:
        counts: (classes, classes), labels by predictions.
        classes: names, in the same order.
    """
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = min(10, 2 + 0.4 * len(classes))
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(classes) <= _WRITTEN:
        axes.set_xticks(range(len(classes)), classes, rotation=90)
        axes.set_yticks(range(len(classes)), classes)
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if share[row, column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=colour, size=8)
    return figure


def images_figure(images: Sequence["np.ndarray"], captions: Sequence[str]) -> Figure:
    """Draw images with a caption each.

    Args:
        images: (C, H, W) in [0, 1], of one channel or three.
        captions: one per image.
    """
    height = -(-len(images) // _COLUMNS)
    figure = Figure(figsize=(2 * _COLUMNS, 2.4 * height), layout="constrained")
    panels = list(figure.subplots(height, _COLUMNS, squeeze=False).flat)
    for axes in panels:
        axes.set_axis_off()
    for axes, image, caption in zip(panels, images, captions, strict=False):
        axes.imshow(image.transpose(1, 2, 0).squeeze(), cmap="gray", vmin=0, vmax=1)
        axes.set_title(caption, fontsize=8)
    return figure
