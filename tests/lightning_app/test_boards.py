"""Everything that runs leave for TensorBoard, read back: tags, hyper-parameters, pictures."""

import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from lightning_app.cli import main

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = '{"channels": 2, "cells_per_stage": 1}'
SEARCHED = {f"found/{n}" for n in ("depth", "width", "parameters", "multiply_adds", "evaluations")}
# Config, its arguments, and what it must leave: pictures, scalars, hyper-parameters.
RUNS: dict[str, tuple[str, list[str], set[str], set[str], dict[str, Any]]] = {
    "training": (
        "quickstart.yaml",
        ["--model.width", "4", "--trainer.max_epochs", "2", "--callbacks.NTKMonitor.probe_size=4"],
        {"topology", "ntk/spectrum_over_epochs"},
        {"train/accuracy", "val/accuracy", "test/accuracy", "effective_depth", "costs/parameters"},
        {"dag": "2_21_112", "width": 4.0, "lr": 0.05, "optimizer": "SGD"},
    ),
    "sampling": (
        "search/sampling_digits.yaml",
        ["--model.samples", "6", "--model.block_size", "2", "--model.batch_size", "4"],
        {"search/scores/activation_overlap", "search/best/cell"},
        SEARCHED,
        {"samples": 6.0, "indicator.class": "ActivationOverlap", "space": "nasbench201"},
    ),
    "evolution": (
        "search/evolution_digits.yaml",
        ["--model.evaluations", "6", "--model.population", "3", "--model.offspring", "3",
         "--model.batch_size", "4", "--model.network", SMALL, "--model.sizes", SMALL],
        {"front", "search/scores/activation_overlap", "search/best/cell"},
        SEARCHED,
        {"evaluations": 6.0, "objectives": "ActivationOverlap, parameters"},
    ),
}  # fmt: skip


def read(folder: Path) -> EventAccumulator:
    (run,) = {path.parent for path in folder.rglob("events.out.*")}
    sizes = {"scalars": 0, "images": 0, "tensors": 0, "histograms": 0}
    return EventAccumulator(str(run), sizes).Reload()


def hyperparameters(events: EventAccumulator) -> dict[str, Any]:
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    record = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    kinds = ("number_value", "string_value", "bool_value")
    return {
        name: next(getattr(value, kind) for kind in kinds if value.HasField(kind))
        for name, value in record.hparams.items()
    }


@pytest.mark.usefixtures("command_line")
@pytest.mark.parametrize("name", RUNS)
def test_all_that_a_config_leaves(name: str, tmp_path: Path) -> None:
    config, arguments, pictures, scalars, parameters = RUNS[name]
    main(["fit", "--config", str(CONFIGS / config), *arguments])
    events = read(tmp_path)
    assert set(events.Tags()["images"]) == pictures
    assert set(events.Tags()["scalars"]) >= scalars
    assert hyperparameters(events).items() >= parameters.items()
    for tag in pictures:
        shown = events.Images(tag)
        assert all(one.width <= 500 and one.height <= 500 for one in shown)
        contents = [hashlib.sha256(one.encoded_image_string).digest() for one in shown]
        again = [a for a, b in itertools.pairwise(contents) if a == b]
        assert not again, f"{tag} is repeated"


def fit(folder: Path, *extra: str) -> EventAccumulator:
    config, arguments, *_ = RUNS["training"]
    command = [sys.executable, "-m", "lightning_app", "fit", "--config", str(CONFIGS / config)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    folder.mkdir(exist_ok=True)
    done = subprocess.run([*command, *arguments, *extra], env=environment, check=False, cwd=folder)
    assert done.returncode == 0
    return read(folder)


def counts(events: EventAccumulator) -> dict[str, list[int]]:
    """Steps or epochs of what is written, by tag; scalars by number alone."""
    tags = events.Tags()
    found = {tag: [len(events.Scalars(tag))] for tag in tags["scalars"] if tag != "epoch"}
    found |= {tag: [len(events.Tensors(tag))] for tag in tags["tensors"]}
    return found | {tag: [one.step for one in events.Images(tag)] for tag in tags["images"]}


@pytest.mark.slow
def test_two_processes_and_a_resume_write_one_set_of_everything(tmp_path: Path) -> None:
    whole = counts(fit(tmp_path / "whole"))
    assert counts(fit(tmp_path / "two", "--trainer.devices", "2")) == whole
    fit(tmp_path / "parts", "--trainer.max_epochs", "1", "--test_after_fit", "false")
    parts = counts(fit(tmp_path / "parts", "--ckpt_path", "last"))
    # Said where a fit starts, and drawn where it ends.
    for tag in ("ntk/settings/text_summary", "ntk/spectrum_over_epochs"):
        parts.pop(tag), whole.pop(tag)
    assert parts == whole
