"""Several machines: two nodes of `torchrun` on loopback give what one process gives."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"
PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
# One thread each: digits depend on how a sum is split among threads.
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
SAMPLING = ["search/sampling_digits.yaml", "--model.samples", "30", "--model.block_size", "10"]

pytestmark = pytest.mark.slow


def fit(name: str, *options: str) -> list[str]:
    """Arguments of Python after `-m lightning_app`."""
    return ["fit", "--config", str(CONFIGS / name), *options]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


def two_nodes(folder: Path, arguments: list[str]) -> None:
    """The shell lines of docs/scaling.md, in a working folder, on another port and config."""
    (lines,) = re.findall(r"```sh\n(for rank in .*?)```", PAGE, re.DOTALL)
    for old, new in (
        ("fit --config configs/search/quickstart.yaml", shlex.join(arguments)),
        ("29500", str(free_port())),
        (" &\n", ' > "node$rank.txt" 2>&1 &\n'),
    ):
        assert lines.count(old) == 1
        lines = lines.replace(old, new)
    scripts = Path(sys.executable).parent
    environment = ENVIRONMENT | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    shell = subprocess.Popen(
        ["bash", "-c", lines], cwd=folder, env=environment, start_new_session=True
    )
    try:
        shell.wait(timeout=500)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
    outputs = [(folder / f"node{rank}.txt").read_text() for rank in (0, 1)]
    assert "All distributed processes registered. Starting with 2 processes" in outputs[0]
    assert not any("Traceback" in output or "error:" in output for output in outputs), outputs


def only_run(folder: Path) -> Path:
    """One run was written, by rank 0 alone."""
    (run,) = folder.glob("runs/*/version_*")
    assert run.name == "version_0"
    return run


def found(folder: Path) -> dict[str, Any]:
    """architecture.json without the time it took."""
    result: dict[str, Any] = json.loads((only_run(folder) / "architecture.json").read_text())
    assert result.pop("seconds") > 0
    return result


def logged(folder: Path) -> dict[str, list[float]]:
    """Every scalar, in order; the step that it is logged at counts a rank's own evaluations."""
    events = EventAccumulator(str(only_run(folder)))
    events.Reload()
    return {tag: [e.value for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, forks: Any) -> Path:
    """The folder of the same search by one process."""
    folder = tmp_path_factory.mktemp("alone")
    forks.run(fit(*SAMPLING), folder)
    return folder / "process0"


def test_a_search_finds_and_logs_the_same(tmp_path: Path, alone: Path) -> None:
    two_nodes(tmp_path, fit(*SAMPLING))
    assert found(tmp_path) == found(alone)
    assert len(logged(alone)) > 3
    assert logged(tmp_path) == logged(alone)


def test_a_search_under_the_variables_of_slurm(tmp_path: Path, alone: Path, forks: Any) -> None:
    """What `srun` sets for two tasks on two machines, here both this one."""
    shared = {
        "SLURM_JOB_ID": "1234",
        "SLURM_JOB_NAME": "search",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "1",
        "SLURM_NNODES": "2",
        "SLURM_NODELIST": "127.0.0.1",
        "SLURM_LOCALID": "0",
        "MASTER_PORT": str(free_port()),
    }
    options = ["--trainer.num_nodes", "2", "--trainer.devices", "1"]
    tasks = [{**shared, "SLURM_PROCID": rank, "SLURM_NODEID": rank} for rank in ("0", "1")]
    said = forks.run([*fit(*SAMPLING), *options], tmp_path, *tasks)
    assert "Starting with 2 processes" in said
    assert not (tmp_path / "process1" / "runs").exists()
    assert found(tmp_path / "process0") == found(alone)
