"""Two processes of a training run: the same steps, stopped together, their group ends first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

CONFIG = Path(__file__).parents[2] / "configs" / "quickstart.yaml"
TASKS = Path("/proc/self/task")
# Started once per rank, as Lightning starts a script.
SCRIPT = """
import atexit, os, signal, sys
from pathlib import Path
def note(when):
    names = {path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")}
    Path(f"{when}{os.environ['LOCAL_RANK']}.txt").write_text(" ".join(names))
atexit.register(note, "after")  # the first to be registered is the last to be called
import torch
from models import ImageClassifier
def step(self, batch, batch_idx, whole=ImageClassifier.training_step):
    if "STOP" in os.environ and (self.current_epoch, batch_idx, self.global_rank) == (1, 3, 0):
        os.killpg(os.getpgrp(), signal.SIGTERM)
    return whole(self, batch, batch_idx)
ImageClassifier.training_step = step
def weights(self):
    parameters = dict(self.network.named_parameters())
    torch.save((self.global_step, parameters), f"rank{self.global_rank}.pt")
ImageClassifier.on_train_end = weights
from lightning_app.__main__ import main
try:
    main()
finally:
    note("before")
"""


def run(folder: Path, *extra: str, code: int = 0, **environment: str) -> str:
    """Train two epochs, as a user sees it; what it says."""
    (folder / "run.py").write_text(SCRIPT)  # a file: the second process is started by it
    command = [sys.executable, "run.py", "fit", "--config", str(CONFIG), "--model.width", "8"]
    command += ["--trainer.devices", "2", "--trainer.strategy", "ddp", "--trainer.max_epochs", "2"]
    done = subprocess.run(
        [*command, *extra],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        start_new_session=True,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == code, done.stderr
    if TASKS.exists():
        for rank in range(2):
            # a thread of gloo that is left may abort the interpreter when all work is done
            assert "gloo" in (folder / f"before{rank}.txt").read_text()
            assert "gloo" not in (folder / f"after{rank}.txt").read_text()
    return done.stdout + done.stderr


def ends(folder: Path) -> list[tuple[int, dict[str, torch.Tensor]]]:
    """Steps and weights at the end, by rank."""
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.slow
def test_whole_and_stopped_runs_reach_the_same_weights(tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    for folder in (whole, stopped):
        folder.mkdir()
    said = run(whole)
    assert "DagMLPClassifier, epoch 2: train/accuracy" in said
    assert "sync_dist" not in said
    (steps, expected), (others, second) = ends(whole)
    assert steps == others == 2 * 11
    assert all(torch.equal(value, second[name]) for name, value in expected.items())

    said = run(stopped, code=143, STOP="1")
    assert "stopped by SIGTERM; to go on from the last checkpoint" in said
    run(stopped, "--ckpt_path", "last")
    for count, found in ends(stopped):
        assert count == steps
        assert all(torch.equal(value, found[name]) for name, value in expected.items())
