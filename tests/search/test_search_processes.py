"""Searches by two processes; kills and resumes are in `tests/faults`."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from models.search import ScoreCache
from models.spaces import NasBench201Space

CONFIGS = Path(__file__).parents[2] / "configs" / "search"
DEVICES = ["--trainer.devices", "2"]
Run = Callable[..., str]
SEARCHES = {
    "pruning": ["--config", str(CONFIGS / "quickstart.yaml"), "--model.repeats", "2"],
    "sampling": [
        "--config", str(CONFIGS / "sampling_digits.yaml"), "--model.samples", "24",
        "--model.block_size", "4", "--model.batch_size", "8",
    ],
    "evolution": [
        "--config", str(CONFIGS / "evolution_digits.yaml"), "--model.evaluations", "21",
        "--model.population", "8", "--model.offspring", "5", "--model.batch_size", "8",
        "--model.network", "{channels: 2, cells_per_stage: 1}",
        "--model.sizes", "{channels: 2, cells_per_stage: 1}",
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
pytestmark = pytest.mark.slow


def arguments_of(folder: Path, name: str, *extra: str) -> list[str]:
    return ["fit", *SEARCHES[name], "--trainer.logger.init_args.save_dir", str(folder), *extra]


@pytest.fixture
def one(forks: Any) -> Run:
    """Search in one process."""
    return lambda folder, *words: forks.run(arguments_of(folder, *words), folder)


@pytest.fixture
def two(forks: Any) -> Run:
    """Search in two processes, which Lightning's launcher need not start."""
    return lambda folder, *words: forks.two([*arguments_of(folder, *words), *DEVICES], folder)


def found_in(folder: Path) -> dict[str, Any]:
    (path,) = folder.rglob("architecture.json")
    result = json.loads(path.read_text())
    del result["seconds"]
    return result


@pytest.fixture(scope="module")
def references(forks: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each search finds in one process that is left in peace."""
    found = {}
    for name in SEARCHES:
        folder = tmp_path_factory.mktemp(name)
        forks.run(arguments_of(folder, name), folder)
        found[name] = found_in(folder)
    return found


def test_two_processes_of_the_launcher_prune_to_the_same(references: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lightning_app"]
    command += [*arguments_of(tmp_path, "pruning"), *DEVICES]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    subprocess.run(command, env=environment, check=True, cwd=tmp_path)
    assert found_in(tmp_path) == references["pruning"]


def test_two_processes_of_a_device_prune_to_the_same(
    references: Any, forks: Any, tmp_path: Path
) -> None:
    strategy = ["--trainer.strategy", "SearchStrategy", "--trainer.strategy.ranks_per_device", "2"]
    forks.two(arguments_of(tmp_path, "pruning", *strategy), tmp_path)
    assert found_in(tmp_path) == references["pruning"]


def test_two_processes_take_the_same_to_the_next_stage(
    references: Any, two: Run, tmp_path: Path
) -> None:
    two(tmp_path, "staged")
    assert found_in(tmp_path) == references["staged"]
    assert references["staged"]["refused"]["budget.parameters"] > 0


def test_two_processes_pick_the_same_and_share_a_cache(
    references: Any, two: Run, tmp_path: Path
) -> None:
    path = tmp_path / "scores.jsonl"
    two(tmp_path, "sampling", "--model.cache", str(path))
    found = found_in(tmp_path)
    assert found == references["sampling"]
    (setting,) = {json.dumps(json.loads(line)["setting"]) for line in path.open()}
    cache = ScoreCache(path, json.loads(setting), found["settings"]["seed"])
    assert len(cache) == found["counts"]["evaluated"]


def test_two_processes_evolve_to_the_same(references: Any, two: Run, tmp_path: Path) -> None:
    """Generations of five and of three are shared by two."""
    two(tmp_path, "evolution")
    assert found_in(tmp_path) == references["evolution"]


def test_two_processes_decide_on_one_latency(two: Run, tmp_path: Path) -> None:
    """Which the first one measures; a resume keeps what was measured."""
    objectives = "[{class_path: models.indicators.SynFlow}, latency_ms]"
    sizes = ["--model.evaluations", "12", "--model.population", "4", "--model.offspring", "4"]
    latency = ["--model.objectives", objectives, *sizes]
    two(tmp_path / "begun", "evolution", *latency, "--trainer.max_epochs", "2")
    (last,) = tmp_path.rglob("last.ckpt")
    before = torch.load(last, weights_only=True)["search"]
    two(tmp_path / "resumed", "evolution", *latency, "--ckpt_path", str(last))
    found = found_in(tmp_path / "resumed")
    assert [json.loads(text) for text in before["rounds"]] == found["rounds"][:2]
    entries = [entry for done in found["rounds"] for entry in done["candidates"]]
    assert len(entries) == 12
    drawn = before["state"]["next"]["costs"]
    assert [entry["costs"] for entry in found["rounds"][2]["candidates"]] == drawn


def test_processes_agree_on_latencies_that_were_looked_up(
    one: Run, two: Run, tmp_path: Path
) -> None:
    table = tmp_path / "latencies.csv"
    cells = map(str, NasBench201Space().architectures())
    rows = [f"{cell},{1 + i * 7919 % 1000 / 1000}" for i, cell in enumerate(cells)]
    table.write_text("\n".join(["architecture,phone", *rows]))
    budget = [
        "--model.budget.latency_ms", "1.3", "--model.hardware", "models.benchmarks.HardwareTable",
        "--model.hardware.path", str(table), "--model.hardware.column", "phone",
    ]  # fmt: skip
    found = []
    for number, processes in enumerate((one, two)):
        folder = tmp_path / str(number)
        processes(folder, "sampling", *budget)
        found.append(found_in(folder))
    assert found[0] == found[1]
    assert found[0]["costs"]["latency_ms"] <= 1.3
    assert found[0]["refused"]["budget.latency_ms"] > 24


def test_a_resume_in_one_process_decides_on_what_two_measured(
    one: Run, two: Run, tmp_path: Path
) -> None:
    """Measured anew, no latency would be the same in every digit."""
    budget = ["--model.budget.latency_ms", "1000", "--model.samples", "8"]
    sizes = ["--model.sizes", '{"channels": 4, "cells_per_stage": 1}']
    arguments = [*budget, *sizes]
    two(tmp_path, "sampling", *arguments)
    first = found_in(tmp_path)
    (path,) = tmp_path.rglob("last.ckpt")
    folder = tmp_path / "again"
    one(folder, "sampling", *arguments, "--ckpt_path", str(path))
    assert found_in(folder) == first
    assert first["costs"]["latency_ms"] > 0
