"""The tests are worth their time: every formula that is broken on purpose makes one of them fail.

Each mutation is applied to a copy of the source, whose own tests then run there.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("lightning_app", "callbacks", "datamodules", "models", "tests", "pyproject.toml")
ASSERTIONS = {"AssertionError", "Failed"}  # `Failed`: an exception that was expected did not come


class Mutation(NamedTuple):
    """A mistake in one formula, and the tests that must notice it."""

    formula: str
    file: str
    source: str
    mutated: str
    tests: str


MUTATIONS = [
    Mutation(**entry)
    for entry in yaml.safe_load(
        Path(__file__).with_name("mutations.yaml").read_text(encoding="utf-8")
    )
]

Run = Callable[..., tuple[int, set[str]]]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs pytest in a folder: its exit code, and what failed tests raised."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("runner.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
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


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The source and its tests."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_every_mutation_is_of_one_place_in_the_source() -> None:
    for mutation in MUTATIONS:
        found = (ROOT / mutation.file).read_text(encoding="utf-8").count(mutation.source)
        assert found == 1, (
            f"{mutation.file} has {mutation.source!r} {found} times, expected once: "
            "the source has changed, and mutations.yaml must follow"
        )


@pytest.mark.nightly
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.formula)
def test_a_mutation_is_noticed(mutation: Mutation, copy: Path, run: Run) -> None:
    path = copy / mutation.file
    text = path.read_text(encoding="utf-8")
    assert mutation.source in text, "the source has changed, and the mutation must follow"
    path.write_text(text.replace(mutation.source, mutation.mutated), encoding="utf-8")
    code, raised = run(copy, "-x", *mutation.tests.split())
    output = (copy / "output.txt").read_text()
    assert code != 0, f"{mutation.tests} passes though {mutation.source!r} is {mutation.mutated!r}"
    assert code == 1, output
    assert raised <= ASSERTIONS, output
