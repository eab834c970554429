"""One of two processes is killed: the other ends within a minute, and says so."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[2] / "configs"
BARE = ["--trainer.devices", "2"]
KINDS = {
    "fit": ["quickstart.yaml", "--model.width", "8", "--trainer.strategy", "ddp"],
    "validate": ["quickstart.yaml", "--model.width", "8", "--trainer.strategy", "ddp"],
    "search": ["search/quickstart.yaml", "--model.batch_size", "8", "--trainer.callbacks", "null"],
}

FIT = ("fit", "training_step", 15)

# Started once per rank, as Lightning starts a script. The rank to stop does so in a step after the
# first epoch or round; the other is then in that step too, for `seconds` more.
SCRIPT = """
import os, signal, time
from lightning_app import watchdog
from lightning_app.cli import main
from models import ImageClassifier
from models.search import Search

def stopping(step):
    count = 0
    def counted(self, batch, batch_idx):
        nonlocal count
        count += 1
        if count == _COUNT_:
            with open(f"pid{rank}", "w") as file: file.write(str(os.getpid()))
            if rank == _WHO_:
                os.kill(os.getpid(), signal._HOW_)
            else:
                time.sleep(_LONG_)
        return step(self, batch, batch_idx)
    return counted

watchdog._GRACE = 3.0
rank = int(os.environ.get("LOCAL_RANK", 0))
for module in (ImageClassifier, Search):
    if hasattr(module, "_STEP_"):
        module._STEP_ = stopping(module._STEP_)
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "rank", "sign", "seconds", "said"),
    [
        ("fit", 1, "SIGKILL", 0, "another process of this run has ended; its own last lines say"),
        ("search", 0, "SIGKILL", 600, "the first process of this run has ended"),
        ("search", 1, "SIGTERM", 0, "stopped by SIGTERM"),
        ("validate", 1, "SIGTERM", 0, "another process of this run|terminated with code 143"),
    ],
)
def test_the_other_ends_within_a_minute(tmp_path, kind, rank, sign, seconds, said):
    script = SCRIPT.replace("_WHO_", str(rank)).replace("_HOW_", sign)
    verb, step, count = ("validate", "validation_step", 1) if kind == "validate" else FIT
    script = script.replace("_STEP_", step).replace("_COUNT_", str(count))
    (tmp_path / "run.py").write_text(script.replace("_LONG_", str(seconds)))
    config, *others = KINDS[kind]
    with (tmp_path / "output.txt").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "run.py", verb, "--config", str(CONFIGS / config), *others, *BARE],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
            cwd=tmp_path,
            stdout=output,
            stderr=output,
        )
        files = [tmp_path / "pid0", tmp_path / "pid1"]
        while not files[rank].exists() and process.poll() is None:
            time.sleep(0.1)
        stopped = time.monotonic()
        process.wait()
        other = int(files[1 - rank].read_text()) if files[1 - rank].exists() else None
        while other and running(other):
            assert time.monotonic() - stopped < 60, os.kill(other, signal.SIGKILL)
            time.sleep(0.1)
    assert time.monotonic() - stopped < 60
    text = (tmp_path / "output.txt").read_text()
    assert re.search(said, text), text
    assert "Traceback" not in text, text
    expected = [143] if said == "stopped by SIGTERM" else [2, -signal.SIGKILL, 1]
    assert process.returncode in expected, text


def running(pid: int) -> bool:
    """Whether there is such a process, other than as a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
