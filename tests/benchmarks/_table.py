"""Write the README's table, and that of docs/scaling.md, from what the benchmarks left."""

import json
import runpy
from pathlib import Path
from typing import Any

from _measure import RESULTS, write_atomically

README = Path(__file__).parents[2] / "README.md"
START, END = "<!-- bench:start -->", "<!-- bench:end -->"
ORDER = (
    "ntk",
    "linear_regions",
    "activation_overlap",
    "indicators",
    "nngp",
    "topology",
    "data",
    "training",
    "dag_space",
    "searches",
    "processes",
)
"""The benchmarks, as the table lists them."""


def read_records(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """What each benchmark recorded, in the table's order; those not yet run are missing."""
    paths = [folder / f"{name}.json" for name in ORDER]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def table(records: list[dict[str, Any]]) -> str:
    """The Markdown between the markers."""
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


def with_table(readme: str, records: list[dict[str, Any]]) -> str:
    """The README with what lies between its markers replaced.

    Raises:
        ValueError: it does not have each marker once, in order.
    """
    before, start, rest = readme.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"README: expected {START} and then {END}")
    return f"{before}{START}\n{table(records)}\n{END}{after}"


if __name__ == "__main__":
    write_atomically(README, with_table(README.read_text(encoding="utf-8"), read_records()))
    runpy.run_path(str(README.parent / "docs" / "results" / "scaling.py"), run_name="__main__")
