"""The measured growth in docs/scaling.md, from what the benchmarks recorded.

    python docs/results/scaling.py

rewrites the lines between the markers, from `tests/benchmarks/results/*.json`.
"""

import json
import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "tests" / "benchmarks" / "results"
PAGE = ROOT / "docs" / "scaling.md"
START, END = "<!-- growth:start -->", "<!-- growth:end -->"
SHOWN = ("ntk", "linear_regions", "activation_overlap", "topology", "searches", "processes")
"""The benchmarks whose work is that of a search."""


def read_records(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """What was recorded, in the order of `SHOWN`; benchmarks not yet run are missing."""
    paths = [folder / f"{name}.json" for name in SHOWN]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def growth(records: list[dict[str, Any]]) -> str:
    """A line for everything that was measured at several sizes."""
    lines = ["| Work | Sizes | Milliseconds | Cost grows as |", "| --- | --- | --- | --- |"]
    for record in records:
        for row in record["results"]:
            if row["exponent"] is None:
                continue
            sizes = " · ".join(f"{size:,}" for size in row["sizes"])
            costs = " · ".join(map(milliseconds, row["costs_ms"]))
            grows = f"{row['of']}^{row['exponent']:.2f}"
            lines.append(f"| {row['name']} | {sizes} {row['of']} | {costs} | {grows} |")
    machines = dict.fromkeys(
        f"{r['environment']['date']}: {r['environment']['gpu'] or r['environment']['cpu']}, "
        f"{r['environment']['threads']} thread(s) of {r['environment']['cores']} cores, "
        f"torch {r['environment']['torch']}"
        for r in records
    )
    return "\n".join([*lines, "", f"Measured {'; '.join(machines)}."])


def milliseconds(cost: float) -> str:
    """Three digits, or all that stand before the point."""
    return f"{cost:,.3g}" if cost < 1000 else f"{cost:,.0f}"


def with_growth(page: str, records: list[dict[str, Any]]) -> str:
    """The page with what lies between its markers replaced.

    Raises:
        ValueError: it does not have each marker once, in order.
    """
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"page: expected {START} and then {END}")
    return f"{before}{START}\n{growth(records)}\n{END}{after}"


def main() -> None:
    temporary = PAGE.with_suffix(".tmp")
    temporary.write_text(with_growth(PAGE.read_text(encoding="utf-8"), read_records()), "utf-8")
    os.replace(temporary, PAGE)


if __name__ == "__main__":
    main()
