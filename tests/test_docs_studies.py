"""The commands that make the tables of the docs run, at tiny size."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STUDIES = ROOT / "docs" / "studies"

pytestmark = [pytest.mark.slow, pytest.mark.real_data]


def run(folder: Path, study: str, *arguments: str) -> str:
    """What a study prints; it runs in a folder of its own."""
    done = subprocess.run(
        [sys.executable, str(STUDIES / f"{study}.py"), *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_search(shared_data: Path, tmp_path: Path) -> None:
    printed = run(tmp_path, "search", str(shared_data), "--seeds", "0", "--samples", "4")
    assert printed.splitlines()[-1].startswith("1 seeds: ")


def test_pruning(shared_data: Path, tmp_path: Path) -> None:
    sizes = ["--seeds", "1", "--repeats", "1", "--batch-size", "4", "--depth-width", "reserve"]
    assert "36" in run(tmp_path, "pruning", str(shared_data), *sizes, "--scores", "SynFlow")


def test_sampling(shared_data: Path, tmp_path: Path) -> None:
    sizes = ["--pool", "8", "--runs", "2", "--samples", "4", "--scores", "naswot", "aggregate"]
    printed = run(tmp_path, "sampling", str(shared_data), *sizes)
    assert printed.count("4 samples") == 6  # two scores by three rules


def test_indicators_aggregates_and_top(shared_data: Path, tmp_path: Path) -> None:
    few = ["--settings", "parameters,synflow,layers"]
    run(tmp_path, "indicators", "--cells", "40", "--batch", "4", "--output", "a.csv", *few)
    assert run(tmp_path, "aggregates", "a.csv", "--size", "2", "--samples", "5")
    # Of the best in `a.csv`, deeper scores; then what an aggregate of all of them finds.
    run(tmp_path, "top", "a.csv", "deep.csv", "reference.csv", "--minutes", "0.2")


def test_settings(shared_data: Path, tmp_path: Path) -> None:
    run(tmp_path, "settings", "grid", "--cells", "4", "--report", "4", "--minutes", "1")


def test_every_study_is_tested() -> None:
    names = {path.stem for path in STUDIES.glob("*.py") if not path.stem.startswith("_")}
    text = Path(__file__).read_text("utf-8")
    assert [name for name in sorted(names) if f'"{name}"' not in text] == []
