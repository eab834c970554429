"""Runs as tables: a record per run, and one per candidate of a search."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from pytorch_lightning.core.saving import load_hparams_from_yaml
from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
    EventAccumulator,
)

from models.analysis.flat import flat


class Runs(NamedTuple):
    """Flat records, ready for `pandas.DataFrame`."""

    runs: list[dict[str, Any]]
    """One per run: `run` (its folder), `hparams.<name>`, and the last value of every scalar by its
    tag; of a search `architecture`, `costs.<name>` and `counts.<name>` besides."""
    candidates: list[dict[str, Any]]
    """One per candidate of a search: `run`, `round`, `candidate`, `scores.<indicator>` (mean over
    repeats), `costs.<name>`, and `error` or `refused` where it has no score."""


def read_runs(folder: str | Path) -> Runs:
    """Read the runs below a folder, as TensorBoard's logger and searches have written them.

    Args:
        folder: such as `runs`.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"folder: no folder {folder}")
    runs, candidates = [], []
    for path in sorted({file.parent for file in folder.rglob("events.out.tfevents.*")}):
        run = {"run": str(path.relative_to(folder)), **_events(path)}
        found = path / "architecture.json"
        if found.is_file():
            result = json.loads(found.read_text(encoding="utf-8"))
            run["architecture"] = result["architecture"]
            run |= flat({name: result.get(name, {}) for name in ("costs", "counts")})
            candidates += [{"run": run["run"], **row} for row in _candidates(result["rounds"])]
        runs.append(run)
    return Runs(runs, candidates)


def _events(path: Path) -> dict[str, Any]:
    """Return the hyper-parameters and the last value of every scalar."""
    events = EventAccumulator(str(path), size_guidance={"scalars": 0})
    events.Reload()
    found: dict[str, Any] = {}
    written = path / "hparams.yaml"
    if written.is_file():
        found |= flat({"hparams": load_hparams_from_yaml(str(written))})
    for tag in events.Tags()["scalars"]:
        found[tag] = events.Scalars(tag)[-1].value
    return found


def _candidates(rounds: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for done in rounds:
        for entry in done["candidates"]:
            scores = {name: fmean(values) for name, values in entry.get("scores", {}).items()}
            plain = {name: value for name, value in entry.items() if isinstance(value, str)}
            costs = entry.get("costs", {})
            yield {"round": done["round"], **plain, **flat({"scores": scores, "costs": costs})}
