"""Fixtures shared by all tests."""

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import pytorch_lightning as pl
import torch


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; the test skips where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    """Every test starts from the same random state, so that it passes alone as it does in a run."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """What Lightning leaves in the environment, such as a port in use, ends with the test."""
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture(autouse=True)
def _log_level() -> Iterator[None]:
    """A test that quietens Lightning does so for itself alone."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture
def quiet() -> dict[str, Any]:
    """Arguments of a Trainer that runs an epoch on the CPU, says nothing, leaves nothing."""
    return {
        "accelerator": "cpu",
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "max_epochs": 1,
    }


@pytest.fixture
def trainer(quiet: dict[str, Any]) -> Callable[..., pl.Trainer]:
    """A Trainer's further arguments to a quiet one."""
    return lambda **arguments: pl.Trainer(**quiet | arguments)


class Forks:
    """Runs of the command line that are forks of one process, `tests/faults/fork_server.py`.

    Each is a process of its own, without the six seconds of imports.
    """

    def __init__(self) -> None:
        server = Path(__file__).parent / "faults" / "fork_server.py"
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [sys.executable, str(server)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _ask(self, **request: Any) -> int:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End the process that runs are forks of."""
        self._process.communicate()

    def start(self, arguments: list[str], folder: Path, before: str = "") -> int:
        """Start a run in its folder, after some Python in its process; its pid."""
        folder.mkdir(parents=True, exist_ok=True)
        return self._ask(start=arguments, folder=str(folder), before=before)

    def wait(self, pid: int) -> int:
        """Its return code."""
        return self._ask(wait=pid)

    def run(self, arguments: list[str], folder: Path, *environments: dict[str, str]) -> str:
        """Start one run, or one for each environment; what they say, if all end well."""
        started = {}
        for rank, environment in enumerate(environments or ({},)):
            own = folder / f"process{rank}"
            before = f"import os; os.environ.update({environment!r})"
            started[own] = self.start(arguments, own, before)
        codes = [self.wait(pid) for pid in started.values()]
        outputs = "\n".join((own / "output.txt").read_text() for own in started)
        assert not any(codes), outputs
        return outputs

    def two(self, arguments: list[str], folder: Path, **environment: str) -> str:
        """Two processes on this machine, as a launcher would start them."""
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = str(one.getsockname()[1])
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, **environment}
        return self.run(arguments, folder, *({**shared, "LOCAL_RANK": r} for r in ("0", "1")))


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Started once for all tests that run several processes."""
    forks = Forks()
    yield forks
    forks.close()


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that `fast_dev_run` hands to no one are made, but not painted, which takes long."""
    monkeypatch.setattr("callbacks.outputs._picture", lambda figure: None)


@pytest.fixture
def command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder, and none of pytest's own arguments."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lightning"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `gpu` skip on a machine without one."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
