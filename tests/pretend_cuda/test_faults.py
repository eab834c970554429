"""The device tests are worth their time: each fault of `faults.yaml` makes one of them fail."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FAULTS = yaml.safe_load((HERE / "faults.yaml").read_text(encoding="utf-8"))
COPIED = ("lightning_app", "callbacks", "datamodules", "models", "tests")
NOTICED = {"RuntimeError", "TypeError", "AssertionError", "ValueError"}
"""What a fault ends in; a search reports as a ValueError that nothing could be scored."""

Run = Callable[[str], tuple[int, set[str]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of source and tests."""
    copy = tmp_path_factory.mktemp("faults")
    ignored = shutil.ignore_patterns("__pycache__", "data")
    for name in COPIED:
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


@pytest.fixture(scope="module")
def run(folder: Path) -> Iterator[Run]:
    """Runs the tests whose names have a word in them, in a fork of one warm process."""
    runner = Path(__file__).with_name("fault_runner.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        [sys.executable, str(runner)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        requests, answers = process.stdin, process.stdout
        assert requests
        assert answers

        def ask(word: str) -> tuple[int, set[str]]:
            name = "test_pretended_cuda" if word.startswith("test_") else "test_device_runs"
            path = f"tests/pretend_cuda/{name}.py"
            test = "test_runs_on_a_pretended_device_as_on_the_cpu"
            chosen = ["-k", word, path] if word.startswith("test_") else [f"{path}::{test}[{word}]"]
            print(json.dumps([str(folder), *chosen]), file=requests, flush=True)
            code, raised = json.loads(answers.readline())
            return code, set(raised)

        yield ask
        requests.close()


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["source"])
def test_a_fault_is_noticed(fault: dict[str, str], folder: Path, run: Run) -> None:
    path = folder / fault["file"]
    text = path.read_text(encoding="utf-8")
    assert text.count(fault["source"]) == 1, "the source has changed, and faults.yaml must follow"
    (folder / "output.txt").unlink(missing_ok=True)
    path.write_text(text.replace(fault["source"], fault["broken"]), encoding="utf-8")
    try:
        code, raised = run(fault["noticed_by"])
    finally:
        path.write_text(text, encoding="utf-8")
    output = (folder / "output.txt").read_text(encoding="utf-8")
    assert code == 1, output
    assert raised <= NOTICED, output
    if "ValueError" in raised:
        assert "two devices" in output
