"""The pictures of the README: what two runs of a minute log for TensorBoard.

    python docs/results/pictures.py [FOLDER]

runs the quickstart and the search on digits in a temporary folder, reads their event files, draws
scalars and histogram, takes the logged images as they are, and writes `docs/pictures/*.png`, or
to FOLDER.
"""

import io
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_app.cli import main as lightning

ROOT = Path(__file__).resolve().parents[2]
COLOURS = 64
"""Of a palette: a picture of lines and text needs no more, and stays small."""


def read(run: Path) -> EventAccumulator:
    """All that a run logged."""
    everything = {"images": 0, "histograms": 0, "scalars": 0}
    events = EventAccumulator(str(run), size_guidance=everything)
    events.Reload()
    return events


def plot(axes: Axes, events: EventAccumulator, tags: Sequence[str], log: bool = False) -> None:
    """Scalars against the step, as TensorBoard shows them."""
    for tag in tags:
        logged = events.Scalars(tag)
        axes.plot([e.step for e in logged], [e.value for e in logged], ".-", label=tag)
    axes.set_xlabel("step")
    axes.legend(fontsize=7)
    axes.grid(alpha=0.3)
    if log:
        axes.set_yscale("log")


def plot_histogram(axes: Axes, events: EventAccumulator, tag: str) -> None:
    """A histogram per epoch, from the bottom up."""
    logged = events.Histograms(tag)
    for height, event in enumerate(logged):
        edges = np.array(event.histogram_value.bucket_limit)
        counts = np.array(event.histogram_value.bucket)
        # Buckets grow with the distance from 0: counts per unit are what compares.
        density = counts[1:] / np.maximum(np.diff(edges), 1e-9)
        centres = (edges[1:] + edges[:-1]) / 2
        shown = (centres > -3) & (centres < 8)
        curve = height + 2.5 * density[shown] / max(density[shown].max(), 1e-9)
        axes.fill_between(centres[shown], height, curve, color="C0", alpha=0.5, zorder=-height)
        axes.plot(centres[shown], curve, color="C0", lw=0.7, zorder=-height)
    axes.set_xlabel(tag)
    axes.set_ylabel("epoch")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def logged_images(events: EventAccumulator, tag: str) -> list[Image.Image]:
    """Pictures that were logged, oldest first."""
    return [Image.open(io.BytesIO(e.encoded_image_string)) for e in events.Images(tag)]


def save(picture: Image.Image | Figure, path: Path) -> None:
    """A PNG of few colours, whole or not at all."""
    if isinstance(picture, Figure):
        buffer = io.BytesIO()
        picture.savefig(buffer, format="png", dpi=100)
        picture = Image.open(buffer)
    small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    temporary = path.with_suffix(".tmp")
    small.save(temporary, format="PNG", optimize=True)
    os.replace(temporary, path)


def beside(pictures: Sequence[Image.Image]) -> Image.Image:
    """One picture of several of the same height."""
    whole = Image.new("RGB", (sum(p.width for p in pictures), pictures[0].height), "white")
    left = 0
    for picture in pictures:
        whole.paste(picture, (left, 0))
        left += picture.width
    return whole


def draw_training(events: EventAccumulator) -> Figure:
    figure = Figure(figsize=(10, 3), layout="constrained")
    accuracy, kernel, spectrum = figure.subplots(1, 3)
    plot(accuracy, events, ("train/accuracy", "val/accuracy"))
    plot(kernel, events, ("ntk/lambda_max", "ntk/lambda_min"), log=True)
    plot_histogram(spectrum, events, "ntk/log10_spectrum")
    return figure


def draw_search(events: EventAccumulator) -> Figure:
    figure = Figure(figsize=(10, 2.6), layout="constrained")
    left, shape, kernel = figure.subplots(1, 3)
    plot(left, events, ("search/operations_left", "search/evaluated", "search/reserved"))
    plot(shape, events, ("effective_depth", "effective_width"))
    plot(kernel, events, ("ntk/log10_condition_number",))
    return figure


def run(config: str, options: Sequence[str]) -> EventAccumulator:
    """Fit in the working folder, and read what it logged."""
    lightning(["fit", "--config", str(ROOT / "configs" / config), *options])
    name = "search_quickstart" if "search" in config else "quickstart"
    return read(Path("runs", name, "version_0"))


def main(
    folder: str | os.PathLike[str] = ROOT / "docs" / "pictures",
    training: Sequence[str] = (),
    search: Sequence[str] = (),
) -> None:
    """Make all pictures; options change the runs."""
    target = Path(folder).resolve()
    target.mkdir(parents=True, exist_ok=True)
    sys.argv[1:] = []  # Lightning's command line wants none beside those handed to it
    pictures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as work, chdir(work):
        events = run("quickstart.yaml", training)
        pictures["training"] = draw_training(events)
        pictures["topology"] = logged_images(events, "topology")[-1]
        events = run("search/quickstart.yaml", search)
        pictures["search"] = draw_search(events)
        drawn = logged_images(events, "topology")
        pictures["search_topology"] = beside([drawn[0], drawn[-1]])
    for name, picture in pictures.items():
        save(picture, target / f"{name}.png")


if __name__ == "__main__":
    main(*sys.argv[1:2])
