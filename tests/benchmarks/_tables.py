"""Write the tables of README.md and docs/scaling.md from what the benchmarks left."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _measure import RESULTS, write_atomically

ROOT = Path(__file__).parents[2]
ORDER = (
    "ntk",
    "linear_regions",
    "activation_overlap",
    "indicators",
    "nngp",
    "topology",
    "data",
    "training",
    "logging",
    "dag_space",
    "searches",
    "processes",
)
"""The benchmarks, as the README lists them."""
OF_A_SEARCH = (
    "ntk",
    "linear_regions",
    "activation_overlap",
    "topology",
    "searches",
    "processes",
)
"""Those whose work is that of a search, as docs/scaling.md lists them."""


def read_records(names: Sequence[str], folder: Path = RESULTS) -> list[dict[str, Any]]:
    """What benchmarks recorded; those not yet run are missing."""
    paths = [folder / f"{name}.json" for name in names]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def ratios(records: list[dict[str, Any]]) -> str:
    """What each part takes beside the naive way: the README's table."""
    lines = [
        "| Work | Ours | The naive way | Ratio | Cost grows as |",
        "| --- | --- | --- | --- | --- |",
    ]
    for record in records:
        for row in record["results"]:
            growth = "–" if row["exponent"] is None else f"{row['of']}^{row['exponent']:.2f}"
            ours, naive = _time(row["ours_ms"]), f"{row['naive']}: {_time(row['naive_ms'])}"
            ratio = f"**{_ratio(row['ratio'])}**"
            lines.append(f"| {' | '.join((row['name'], ours, naive, ratio, growth))} |")
    return "\n".join([*lines, "", *_environments(records)])


def growth(records: list[dict[str, Any]]) -> str:
    """How cost grows, of what was measured at several sizes: the table of docs/scaling.md."""
    lines = ["| Work | Sizes | Milliseconds | Cost grows as |", "| --- | --- | --- | --- |"]
    for record in records:
        for row in record["results"]:
            if row["exponent"] is None:
                continue
            sizes = " · ".join(f"{size:,}" for size in row["sizes"])
            costs = " · ".join(
                f"{cost:,.3g}" if cost < 1000 else f"{cost:,.0f}" for cost in row["costs_ms"]
            )
            grows = f"{row['of']}^{row['exponent']:.2f}"
            lines.append(f"| {row['name']} | {sizes} {row['of']} | {costs} | {grows} |")
    return "\n".join([*lines, "", *_environments(records)])


def _environments(records: list[dict[str, Any]]) -> list[str]:
    """Where it was measured: one sentence, or one per machine and day."""
    sentences = []
    for record in records:
        where = record["environment"]
        gpu = f", {where['gpu']}" if where["gpu"] else ""
        sentences.append(
            f"Measured on {where['date']}: {where['cpu']}, {where['threads']} thread of "
            f"{where['cores']} cores{gpu}, torch {where['torch']}, Lightning {where['lightning']}."
        )
    return [*dict.fromkeys(sentences)]


def _time(milliseconds: float) -> str:
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.3g} s"
    return f"{milliseconds:.3g} ms" if milliseconds < 999.5 else "1 s"


def _ratio(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def replaced(page: str, name: str, text: str) -> str:
    """A page with what lies between the markers of a name replaced.

    Raises:
        ValueError: it does not have each marker, in order.
    """
    opening, closing = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    before, start, rest = page.partition(opening)
    _, end, after = rest.partition(closing)
    if not start or not end:
        raise ValueError(f"page: expected {opening} and then {closing}")
    return f"{before}{opening}\n{text}\n{closing}{after}"


def pages() -> dict[Path, str]:
    """Every page that shows results, with the latest."""
    readme, scaling = ROOT / "README.md", ROOT / "docs" / "scaling.md"
    return {
        readme: replaced(readme.read_text("utf-8"), "bench", ratios(read_records(ORDER))),
        scaling: replaced(scaling.read_text("utf-8"), "growth", growth(read_records(OF_A_SEARCH))),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        write_atomically(path, text)
