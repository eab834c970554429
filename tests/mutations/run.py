"""The tests are worth their time: every formula that is broken on purpose makes one of them fail.

`make mutations`, not a part of the suite: each mutation is applied to a copy of the source, whose
own tests then run there.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("lightning_app", "callbacks", "datamodules", "models", "tests", "pyproject.toml")
ASSERTIONS = {"AssertionError", "Failed"}  # `Failed`: an exception that was expected did not come
MUTATIONS = yaml.safe_load(Path(__file__).with_name("mutations.yaml").read_text("utf-8"))

Run = Callable[..., tuple[int, set[str]]]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs pytest in a folder: its exit code, and what failed tests raised."""
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("runner.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    ) as process:
        assert process.stdin
        assert process.stdout
        requests, answers = process.stdin, process.stdout

        def ask(folder: Path, *arguments: str) -> tuple[int, set[str]]:
            print(json.dumps([str(folder), *arguments]), file=requests, flush=True)
            code, raised = json.loads(answers.readline())
            return code, set(raised)

        yield ask
        requests.close()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation["formula"])
def test_a_mutation_is_noticed(mutation: dict[str, Any], tmp_path: Path, run: Run) -> None:
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    path = tmp_path / mutation["file"]
    text = path.read_text("utf-8")
    path.write_text(text.replace(mutation["source"], mutation["mutated"]), "utf-8")
    code, raised = run(tmp_path, "-x", *mutation["tests"].split())
    output = (tmp_path / "output.txt").read_text()
    assert code == 1, output
    assert raised <= ASSERTIONS, output
