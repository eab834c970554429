"""Searches by two processes; kills and resumes are in `tests/faults`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.search import ScoreCache
from models.spaces import NasBench201Space

CONFIGS = Path(__file__).parents[2] / "configs" / "search"
SEARCHES = {
    "pruning": ["--config", str(CONFIGS / "quickstart.yaml"), "--model.repeats", "2"],
    "sampling": [
        "--config", str(CONFIGS / "sampling_digits.yaml"), "--model.samples", "24",
        "--model.block_size", "4", "--model.batch_size", "8",
    ],
    "staged": [
        "--config", str(CONFIGS / "whole_nasbench201.yaml"), "--data", "DigitsDataModule",
        "--model.samples", "14", "--model.block_size", "4", "--model.stages", json.dumps([
            {"indicators": ["models.indicators.SynFlow"], "keep": 3},
            {
                "indicators": ["models.indicators.SynFlow", "models.indicators.Progressivity"],
                "repeats": 2, "network": {"channels": 2, "cells_per_stage": 1}, "batch_size": 4,
            },
        ]),
        "--model.budget", '{"parameters": 4000}',
        "--model.sizes", '{"channels": 2, "cells_per_stage": 2}',
    ],
}  # fmt: skip
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
pytestmark = pytest.mark.slow


def fit(folder: Path, name: str, *extra: str) -> int:
    arguments = [*SEARCHES[name], "--trainer.logger.init_args.save_dir", str(folder), *extra]
    command = [sys.executable, "-m", "lightning_app", "fit", *arguments]
    return subprocess.run(command, env=ENVIRONMENT, check=False, cwd=folder).returncode


def found_in(folder: Path) -> dict[str, Any]:
    (path,) = folder.rglob("architecture.json")
    result = json.loads(path.read_text())
    del result["seconds"]
    return result


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each search finds in one process that is left in peace."""
    found = {}
    for name in SEARCHES:
        folder = tmp_path_factory.mktemp(name)
        assert fit(folder, name) == 0
        found[name] = found_in(folder)
    return found


def test_two_processes_prune_to_the_same(references: Any, tmp_path: Path) -> None:
    assert fit(tmp_path, "pruning", "--trainer.devices", "2") == 0
    assert found_in(tmp_path) == references["pruning"]


def test_two_processes_take_the_same_to_the_next_stage(references: Any, tmp_path: Path) -> None:
    assert fit(tmp_path, "staged", "--trainer.devices", "2") == 0
    assert found_in(tmp_path) == references["staged"]
    assert references["staged"]["refused"]["budget.parameters"] > 0


def test_two_processes_pick_the_same_and_share_a_cache(references: Any, tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    assert fit(tmp_path, "sampling", "--trainer.devices", "2", "--model.cache", str(path)) == 0
    found = found_in(tmp_path)
    assert found == references["sampling"]
    (setting,) = {json.dumps(json.loads(line)["setting"]) for line in path.open()}
    cache = ScoreCache(path, json.loads(setting), found["settings"]["seed"])
    assert len(cache) == found["counts"]["evaluated"]


def test_processes_agree_on_latencies_that_were_looked_up(tmp_path: Path) -> None:
    table = tmp_path / "latencies.csv"
    cells = map(str, NasBench201Space().architectures())
    rows = [f"{cell},{1 + i * 7919 % 1000 / 1000}" for i, cell in enumerate(cells)]
    table.write_text("\n".join(["architecture,phone", *rows]))
    budget = [
        "--model.budget.latency_ms", "1.3", "--model.hardware", "models.benchmarks.HardwareTable",
        "--model.hardware.path", str(table), "--model.hardware.column", "phone",
    ]  # fmt: skip
    found = []
    for count in ("1", "2"):
        folder = tmp_path / count
        folder.mkdir()
        assert fit(folder, "sampling", *budget, "--trainer.devices", count) == 0
        found.append(found_in(folder))
    assert found[0] == found[1]
    assert found[0]["costs"]["latency_ms"] <= 1.3
    assert found[0]["refused"]["budget.latency_ms"] > 24


def test_a_resume_in_one_process_decides_on_what_two_measured(tmp_path: Path) -> None:
    """Measured anew, no latency would be the same in every digit."""
    budget = ["--model.budget.latency_ms", "1000", "--model.samples", "8"]
    sizes = ["--model.sizes", '{"channels": 4, "cells_per_stage": 1}']
    arguments = [*budget, *sizes]
    assert fit(tmp_path, "sampling", *arguments, "--trainer.devices", "2") == 0
    first = found_in(tmp_path)
    (path,) = tmp_path.rglob("last.ckpt")
    folder = tmp_path / "again"
    folder.mkdir()
    assert fit(folder, "sampling", *arguments, "--ckpt_path", str(path)) == 0
    assert found_in(folder) == first
    assert first["costs"]["latency_ms"] > 0
