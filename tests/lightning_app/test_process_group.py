"""No thread of gloo is left when the interpreter ends: it may abort a run that is over."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TASKS = Path("/proc/self/task")
QUICKSTART = Path(__file__).parents[2] / "configs" / "quickstart.yaml"
SCRIPT = """
import atexit, os, signal
from pathlib import Path
def note(when):
    names = {path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")}
    Path(f"{when}{os.environ['LOCAL_RANK']}.txt").write_text(" ".join(names))
atexit.register(note, "after")  # the first to be registered is the last to be called
from models import ImageClassifier
def step(self, batch, batch_idx, whole=ImageClassifier.training_step):
    if STOP and batch_idx == 3 and self.global_rank == 0:
        os.killpg(os.getpgrp(), signal.SIGTERM)
    return whole(self, batch, batch_idx)
ImageClassifier.training_step = step
from lightning_app.__main__ import main
try:
    main()
finally:
    note("before")
"""


@pytest.mark.slow
@pytest.mark.skipif(not TASKS.exists(), reason="names of threads are read from /proc")
@pytest.mark.parametrize(("stop", "code"), [(False, 0), (True, 143)])
def test_threads_of_gloo_end_before_the_interpreter(tmp_path: Path, stop: bool, code: int) -> None:
    script = tmp_path / "run.py"  # a file: the second process is started by it
    script.write_text(f"STOP = {stop}\n{SCRIPT}")
    command = [sys.executable, str(script), "fit", "--config", str(QUICKSTART)]
    command += ["--trainer.devices", "2", "--trainer.strategy", "ddp", "--trainer.max_epochs", "1"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == code, done.stderr
    for rank in range(2):
        assert "gloo" in (tmp_path / f"before{rank}.txt").read_text()
        assert "gloo" not in (tmp_path / f"after{rank}.txt").read_text()
