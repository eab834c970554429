"""The tests are worth their time: every formula that is broken on purpose makes one of them fail.

`make mutations`, not a part of the suite: each mutation is applied to a copy of the source, whose
own tests then run there.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("lightning_app", "callbacks", "datamodules", "models", "tests")
MUTATIONS = yaml.safe_load(Path(__file__).with_name("mutations.yaml").read_text("utf-8"))


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation["formula"])
def test_a_mutation_is_noticed(mutation: dict[str, Any], tmp_path: Path) -> None:
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / mutation["file"]
    text = path.read_text("utf-8").replace(mutation["source"], mutation["mutated"])
    path.write_text(text, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-qx", "-n0", "--tb=line", *mutation["tests"].split()],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,  # a mutation may loop for ever
    )
    assert done.returncode == 1, done.stdout
    # By an assertion, or an exception that was expected did not come.
    assert "AssertionError" in done.stdout or "Failed: DID NOT RAISE" in done.stdout, done.stdout
