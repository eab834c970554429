"""SIGKILL: nothing is lost but the epoch, round or block in flight."""

import os
import random
import shutil
import signal
import time

import pytest
import torch

KILLS = 1
"""Of each run before it goes on to its end."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fit", "pruning", "sampling", "evolution"])
def test_killed_at_random_and_resumed(runs, tmp_path, kind):
    generator = random.Random(kind)
    longest = runs.seconds(kind)
    moments = []
    while len(moments) < KILLS:
        begun = any(tmp_path.glob("runs/*/version_*"))
        last = ["--ckpt_path", "last"] if begun else []
        pid = runs.start([*runs.arguments(kind), *last], tmp_path)
        moments.append(round(generator.uniform(0, longest), 3))
        time.sleep(moments[-1])
        os.kill(pid, signal.SIGKILL)  # not reaped yet, so it is still ours
        code = runs.wait(pid)
        assert code in (0, -signal.SIGKILL), (tmp_path / "output.txt").read_text()
        if code == 0:  # too late: once more from the beginning, and earlier
            longest *= 0.7
            moments.clear()
            shutil.rmtree(tmp_path)
    runs.finish(kind, tmp_path, f"killed after {moments} of {runs.seconds(kind):.1f} s")


# Kills its process before an evaluation.
BEFORE_EVALUATION = """
import os, signal
from models.search import Search
evaluate, left = Search._evaluate, {count}
def counted(self, candidate):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return evaluate(self, candidate)
Search._evaluate = counted
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "count"),
    [
        *(("pruning", 22), ("sampling", 2), ("photo_search", 10)),
        *(("evolution", count) for count in (3, 9, 15, 20)),
    ],
)
def test_a_search_killed_before_an_evaluation(runs, tmp_path, kind, count):
    """In a later round, with a checkpoint; in the first one, without."""
    before = BEFORE_EVALUATION.format(count=count)
    assert runs.run(runs.arguments(kind), tmp_path, before) == -signal.SIGKILL
    assert bool(list(tmp_path.rglob("last.ckpt"))) == (count > 8)
    assert not list(tmp_path.rglob("architecture.json"))
    runs.finish(kind, tmp_path)


# Kills its process at the call of a function that is given as `module:name`.
BEFORE_CALL = """
import os, pkgutil, signal
module, _, name = {where!r}.partition(":")
owner = pkgutil.resolve_name(module)
own, left = getattr(owner, name), {count}
def counted(*args, **kwargs):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return own(*args, **kwargs)
setattr(owner, name, counted)
"""


@pytest.mark.slow
def test_training_test_and_export_of_photos_killed_in_turn(runs, tmp_path):
    peace = runs.in_peace("photo_fit")
    expected = (peace / "runs/train_photos/version_0/test_per_class.csv").read_bytes()
    given, last = runs.arguments("photo_fit"), ["--ckpt_path", "last"]
    training = BEFORE_CALL.format(where="models.ArchitectureClassifier:training_step", count=8)
    assert runs.run(given, tmp_path, training) == -signal.SIGKILL  # in the third epoch
    test = BEFORE_CALL.format(where="callbacks.TestReport:on_test_end", count=1)
    assert runs.run([*given, *last], tmp_path, test) == -signal.SIGKILL
    assert not list(tmp_path.rglob("test_per_class.csv"))
    runs.finish("photo_fit", tmp_path)
    run = tmp_path / "runs/train_photos/version_0"
    assert (run / "test_per_class.csv").read_bytes() == expected
    assert (run / "split.csv").is_file()

    best = str(run / "checkpoints/best.ckpt")
    export = ["export", "--config", str(run / "config.yaml"), "--ckpt_path", best]
    writing = BEFORE_CALL.format(where="models.export:_check", count=2)
    assert runs.run(export, tmp_path, writing) == -signal.SIGKILL
    assert not (run / "checkpoints/model.pt2").exists()
    assert runs.run(export, tmp_path) == 0, (tmp_path / "output.txt").read_text()
    assert {path.suffix for path in (run / "checkpoints").iterdir()} == {".ckpt", ".pt2"}
    program = torch.export.load(run / "checkpoints/model.pt2").module()
    probabilities = program(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))
    assert probabilities.sum(1).tolist() == pytest.approx([1, 1])
