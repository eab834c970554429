"""Ctrl-C, and SIGTERM as a cluster sends it: one line, and the run goes on where it was."""

import pytest

STOP = """
import os, signal
from {module} import {name} as Module
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
step, count = Module.training_step, 0
def counted(self, batch, batch_idx):
    global count
    count += 1
    if count == {count}:
        os.kill(os.getpid(), signal.{sign})
    return step(self, batch, batch_idx)
Module.training_step = counted
"""
FIT, SEARCH = ("models", "ImageClassifier"), ("models.search", "Search")
CODES = {"SIGTERM": 143, "SIGINT": 130}
NAMES = {"SIGTERM": "SIGTERM", "SIGINT": "Ctrl-C"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "where", "count", "sign"),
    [
        ("fit", FIT, 50, "SIGINT"),
        ("drop_path", ("models", "ArchitectureClassifier"), 15, "SIGTERM"),
        ("pruning", SEARCH, 20, "SIGTERM"),
        ("sampling", SEARCH, 6, "SIGINT"),
    ],
)
def test_stopped_and_resumed(runs, tmp_path, kind, where, count, sign):
    module, name = where
    before = STOP.format(module=module, name=name, count=count, sign=sign)
    line = runs.line(runs.arguments(kind), tmp_path, before, code=CODES[sign])
    assert line == (
        f"lightning: stopped by {NAMES[sign]}; to go on from the last checkpoint: "
        "the same command with --ckpt_path last"
    )
    runs.finish(kind, tmp_path)


def test_stopped_before_the_first_checkpoint(runs, tmp_path):
    before = STOP.format(module=FIT[0], name=FIT[1], count=3, sign="SIGTERM")
    line = runs.line(runs.arguments("fit"), tmp_path, before, code=143)
    assert line == "lightning: stopped by SIGTERM"


def test_ctrl_c_before_the_run(runs, tmp_path):
    before = """
from lightning_app.cli import ArchitectureCLI
def interrupted(self): raise KeyboardInterrupt
ArchitectureCLI.before_instantiate_classes = interrupted
"""
    line = runs.line(runs.arguments("fit"), tmp_path, before, code=130)
    assert line == "lightning: stopped by Ctrl-C"
