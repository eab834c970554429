"""SIGKILL: nothing is lost but the epoch, round or block in flight."""

import os
import random
import shutil
import signal
import time

import pytest

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
    [("pruning", 22), ("sampling", 2), *(("evolution", count) for count in (3, 9, 15, 20))],
)
def test_a_search_killed_before_an_evaluation(runs, tmp_path, kind, count):
    """In a later round, with a checkpoint; in the first one, without."""
    before = BEFORE_EVALUATION.format(count=count)
    assert runs.run(runs.arguments(kind), tmp_path, before) == -signal.SIGKILL
    assert bool(list(tmp_path.rglob("last.ckpt"))) == (count > 8)
    assert not list(tmp_path.rglob("architecture.json"))
    runs.finish(kind, tmp_path)
