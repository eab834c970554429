"""Tables, remarks and picture of the atlas."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _study import Array
from matplotlib.figure import Figure

HEAD = """# The atlas: what a score is worth, where

Kendall's τ (τ_b) between each training-free score and trained accuracy, higher is better, with its
standard error over resamples of the architectures (bootstrap), and the processor time of a score in
milliseconds, one thread, the building of its network included. A space has one setting for all
indicators, chosen before (`space.proxy("small", …)`): 4 maps, a cell a stage and 32 images
(NAS-Bench-201), 4 maps, a cell a layer and 32 images (TransNAS), 16 maps, a module a stack and 32
images (NAS-Bench-101), 4 maps, three cells and 32 images (DARTS), 16 patches and 16 images
(AutoFormer-tiny). On NAS-Bench-201 there is one more table, in which each indicator has its own
default, chosen by τ on CIFAR-10 over 300 cells. Images are CIFAR-10's whatever the task; accuracies
are those of the benchmark's own data sets and tasks (`room_layout` is −loss). An architecture whose
score fails is ranked last, as it cannot win a search. All weights and images are of one seed. Two
rows of a column differ if the difference exceeds about twice the larger error, less where they err
together. Times were taken beside other work on two cores; those of sums are of their parts one by
one, which share passes in a search. `best of 4,000 sets` was fitted to random cells of
NAS-Bench-201. A score that a space refuses has no row there.

What is read off the architecture is *in italics*: parameters, FLOPs, layers, effective depth and
width. A score *beats size* on a data set where its τ exceeds the best of those by more than one
standard error of the paired difference.

![Milliseconds against τ, a panel per space](pictures/atlas.png)

```sh
python docs/studies/atlas.py ../shared/data
```
"""
OVERVIEW = """
## All spaces

τ at one setting per space. **Bold** beats size. The last columns count the data sets on which τ is
above, and below, 0 by two of its standard errors.
"""


def resamples(n: int, count: int) -> Array:
    """Return how often each of n is drawn, (count + 1, n); the first row is the sample itself."""
    draws = np.random.default_rng(0).integers(n, size=(count, n))
    counts = np.stack([np.bincount(row, minlength=n) for row in draws]) if count else ()
    return np.vstack([np.ones(n), *counts])


def taus(scores: Array, accuracy: Array, weights: Array) -> Array:
    """Return Kendall's τ_b of every resample, (resamples,); infinite scores are ranked."""
    ranks = np.unique(scores, return_inverse=True)[1]
    s = np.sign(ranks[:, None] - ranks[None])
    t = np.sign(accuracy[:, None] - accuracy[None])
    agree, own, true = (
        ((weights @ m) * weights).sum(1) for m in (s * t, np.abs(s), np.abs(t).astype(float))
    )
    product = np.sqrt(own * true)
    return np.divide(agree, product, out=np.zeros_like(agree), where=product > 0)


def every_tau(one: Any, count: int) -> dict[str, dict[str, Array]]:
    """Return the τ of every resample by row and data set, paired between rows."""
    found: dict[str, dict[str, Array]] = {name: {} for name in one.scores}
    for dataset, accuracy in one.accuracies.items():
        known = ~np.isnan(accuracy)
        if known.sum() < 2:
            continue
        weights = resamples(int(known.sum()), count)
        for name, scores in one.scores.items():
            found[name][dataset] = taus(scores[known], accuracy[known], weights)
    return found


def with_error(values: Array) -> str:
    """Write τ and its standard error, `.612 (.031)`."""
    error = float(values[1:].std()) if len(values) > 1 else float("nan")
    return f"{_short(values[0])} ({_short(error)})"


def _short(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1).replace("-", "−")


def beats(found: Mapping[str, Mapping[str, Array]], trivial: Sequence[str]) -> dict[str, int]:
    """Count, by row, the data sets on which it is surely better than the best trivial row."""
    counts = dict.fromkeys(found, 0)
    rows = [name for name in trivial if name in found]
    for dataset in next(iter(found.values())):
        best = max(rows, key=lambda name: found[name][dataset][0])
        for name in found:
            gain = found[name][dataset] - found[best][dataset]
            counts[name] += bool(name not in rows and gain[0] > gain[1:].std() > 0)
    return counts


def _mean(own: Mapping[str, Array]) -> float:
    return float(np.mean([values[0] for values in own.values()]))


def overview(
    places: Mapping[str, Mapping[str, Mapping[str, Array]]], trivial: Sequence[str]
) -> str:
    """Write one table of all spaces, from τ of every resample by space, row and data set."""
    columns = [
        (title, dataset) for title, rows in places.items() for dataset in next(iter(rows.values()))
    ]
    names = dict.fromkeys(name for rows in places.values() for name in rows)
    mean = {
        name: np.mean([_mean(rows[name]) for rows in places.values() if name in rows])
        for name in names
    }
    header = ["score", *(f"{title}: {dataset}" for title, dataset in columns), "above 0", "below 0"]
    lines = [OVERVIEW, f"| {' | '.join(header)} |", "|" + " --- |" * len(header)]
    errors: dict[tuple[str, str], list[float]] = {column: [] for column in columns}
    for name in sorted(names, key=lambda name: -mean[name]):
        row, above, below = [f"*{name}*" if name in trivial else name], 0, 0
        for title, dataset in columns:
            rows = places[title]
            if name not in rows:
                row.append("–")
                continue
            values = rows[name][dataset]
            error = float(values[1:].std())
            errors[title, dataset].append(error)
            above, below = above + (values[0] > 2 * error), below + (values[0] < -2 * error)
            best = beats({n: {dataset: own[dataset]} for n, own in rows.items()}, trivial)[name]
            row.append(f"**{_short(values[0])}**" if best else _short(values[0]))
        known = sum(name in places[title] for title, _ in columns)
        lines.append(f"| {' | '.join(row)} | {above} of {known} | {below or ''} |")
    medians = [_short(float(np.median(errors[column]))) for column in columns]
    lines.append(f"| *standard error, median* | {' | '.join(medians)} | | |")
    return "\n".join(lines) + "\n"


def section(
    one: Any, found: Mapping[str, Mapping[str, Array]], trivial: Sequence[str]
) -> tuple[str, dict[str, float]]:
    """Return the part of the page on one space, and the mean τ by row."""
    datasets = list(next(iter(found.values())))
    wins = beats(found, trivial)
    sizes = ", ".join(str(int((~np.isnan(one.accuracies[d])).sum())) for d in datasets)
    lines = [f"\n## {one.title}\n", f"{sizes} architectures ({', '.join(datasets)}).\n"]
    header = ["score", "ms", *(f"τ {d}" for d in datasets), "failed", "beats size in"]
    lines += [f"| {' | '.join(header)} |", "|" + " --- |" * len(header)]
    for name in sorted(found, key=lambda name: -_mean(found[name])):
        title = f"*{name}*" if name in trivial else name
        ms = one.milliseconds.get(name, float("nan"))
        row = [title, "–" if np.isnan(ms) else f"{ms:.0f}"]
        row += [with_error(found[name][dataset]) for dataset in datasets]
        row += [
            str(one.failed[name]),
            "" if name in trivial else f"{wins[name]} of {len(datasets)}",
        ]
        lines.append(f"| {' | '.join(row)} |")
    lost = [name for name in found if name not in trivial and not wins[name]]
    best = []
    for dataset in datasets:
        name = max((n for n in trivial if n in found), key=lambda n: found[n][dataset][0])
        best.append(f"{name} ({dataset})")
    lines.append(f"\nThe best of what is read off the architecture: {', '.join(best)}.")
    lines.append(
        f"On no data set better than that: {', '.join(lost) or 'none'}."
        if lost
        else "Every score beats that somewhere."
    )
    return "\n".join(lines) + "\n", {name: _mean(own) for name, own in found.items()}


def picture(
    places: Sequence[Any], means: Sequence[Mapping[str, float]], trivial: Sequence[str]
) -> Figure:
    """Plot milliseconds against mean τ, a panel per space."""
    figure = Figure(figsize=(15, 4.5 * -(-len(places) // 2)), layout="constrained")
    axes = figure.subplots(-(-len(places) // 2), 2, squeeze=False).ravel()
    for panel, one, mean in zip(axes, places, means, strict=False):
        for name, value in mean.items():
            ms = one.milliseconds.get(name, np.nan)
            if np.isnan(ms):
                continue
            kind = 0 if name in trivial else 1 if name.isidentifier() else 2
            panel.plot(max(ms, 3), value, "so^"[kind], color=f"C{kind}", ms=5)
            short = "+".join(p[:4] for p in name.split(" + ")) if " + " in name else name
            panel.annotate(
                short, (max(ms, 3), value), (3, 3), textcoords="offset points", fontsize=6.5
            )
        top = max((mean[n] for n in trivial if n in mean), default=0)
        panel.axhline(top, color="C0", lw=0.8, ls="--")
        panel.set(xscale="log", title=one.title, xlabel="ms (at least 3)", ylabel="mean τ")
        panel.grid(alpha=0.3)
    for panel in axes[len(places) :]:
        panel.set_axis_off()
    return figure


def write(page: Path, places: Sequence[Any], trivial: Sequence[str], count: int) -> None:
    """Write the page, with what stands below its last mark kept, and the picture beside it."""
    found = [every_tau(one, count) for one in places]
    alike = {one.title: own for one, own in zip(places, found, strict=True) if one.alike}
    parts = [section(*pair, trivial) for pair in zip(places, found, strict=True)]
    mark = "\n## One seed or several\n"
    kept = page.read_text(encoding="utf-8").partition(mark) if page.exists() else ("", "", "")
    page.parent.mkdir(parents=True, exist_ok=True)
    table = overview(alike, trivial) if alike else ""
    text = HEAD + table + "".join(part for part, _ in parts) + kept[1] + kept[2]
    page.write_text(text, encoding="utf-8")
    (page.parent / "pictures").mkdir(exist_ok=True)
    figure = picture(places, [mean for _, mean in parts], trivial)
    figure.savefig(page.parent / "pictures" / "atlas.png", dpi=80)
