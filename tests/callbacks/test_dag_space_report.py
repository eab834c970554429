"""The report on a fit of a space of DAGs."""

import csv
import logging
import math
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.optim import SGD

from callbacks import DagSpaceReport
from datamodules import DigitsDataModule
from models import DagMLPClassifier
from models.analysis.dag_space_figures import PAPER_DAGS
from models.analysis.dag_space_table import (
    PREDICTORS,
    correlation_text,
    rank_correlations,
    read_csv,
)
from models.classifiers.dag_space_classifier import DagSpaceClassifier

DAGS = [*PAPER_DAGS, "1_12_211", "0_00_200"]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


def fit(folder: Path, epochs: int = 2, **arguments: Any) -> DagSpaceClassifier:
    defaults = {
        "dags": DAGS,
        "repeats": 2,
        "width": 8,
        "target_accuracy": 0.5,
        "optimizer": lambda parameters: SGD(parameters, lr=0.05),
    }
    ckpt_path = arguments.pop("ckpt_path", None)
    callback = DagSpaceReport(probe_size=8)
    model = DagSpaceClassifier((1, 8, 8), 10, **(defaults | arguments))
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=TensorBoardLogger(folder, name="", version="run"),
        callbacks=[callback],
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    trainer.fit(model, DigitsDataModule(), ckpt_path=ckpt_path, weights_only=True)
    trainer.save_checkpoint(folder / "last.ckpt")
    return model


def test_files_hold_what_the_fit_did(tmp_path: Path) -> None:
    model = fit(tmp_path)
    folder = tmp_path / "run" / "dag_space"
    assert {path.name for path in folder.iterdir()} == {
        "members.csv",
        "rank_correlations.csv",
        "accuracy_over_depth_width.png",
        "training_curves.png",
        "convergence.png",
    }
    with (folder / "members.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["dag"] for row in rows] == [dag for dag in DAGS for _ in range(2)]
    assert [row["repeat"] for row in rows] == ["0", "1"] * len(DAGS)
    table = read_csv(folder / "members.csv")
    assert set(table.curves) == {"train_loss", "train_accuracy", "val_loss", "val_accuracy"}
    for name, curve in model.history.items():
        for epoch, values in curve.items():
            written = torch.from_numpy(table.curves[name.replace("/", "_")][epoch])
            torch.testing.assert_close(written.float(), values)
    assert table.epochs_to_reach.tolist() == model.epochs_to_reach().tolist()
    assert all(len(values) == len(rows) for values in table.predictors.values())
    with (folder / "rank_correlations.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(PREDICTORS) * 3


def test_tensorboard_shows_figures_and_correlations(tmp_path: Path) -> None:
    fit(tmp_path)
    events = EventAccumulator(str(tmp_path / "run"), size_guidance={"histograms": 0})
    events.Reload()
    tags = events.Tags()
    assert {tag for tag in tags["images"] if tag.startswith("dag_space/")} == {
        "dag_space/accuracy_over_depth_width",
        "dag_space/training_curves",
        "dag_space/convergence",
    }
    assert [event.step for event in events.Histograms("dag_space/train_accuracy")] == [1, 2]
    assert "dag_space/rank_correlations/text_summary" in tags["tensors"]


def test_report_on_a_resumed_fit_is_that_of_a_fit_in_one_go(tmp_path: Path) -> None:
    fit(tmp_path / "whole", epochs=2)
    fit(tmp_path / "first", epochs=1)
    fit(tmp_path / "second", epochs=2, ckpt_path=tmp_path / "first" / "last.ckpt")
    whole, resumed = (
        (tmp_path / name / "run" / "dag_space" / "members.csv").read_text()
        for name in ("whole", "second")
    )
    assert whole == resumed


def test_training_is_not_changed_by_the_report(tmp_path: Path) -> None:
    with_report = fit(tmp_path)
    alone = DagSpaceClassifier(
        (1, 8, 8),
        10,
        dags=DAGS,
        repeats=2,
        width=8,
        optimizer=lambda parameters: SGD(parameters, lr=0.05),
    )
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(alone, DigitsDataModule())
    torch.testing.assert_close(
        with_report.population.state_dict(), alone.population.state_dict(), rtol=0, atol=0
    )


def test_a_space_without_the_paper_s_dags_has_no_curves(tmp_path: Path) -> None:
    fit(tmp_path, dags=["1_12", "2_21"], target_accuracy=1.0)
    folder = tmp_path / "run" / "dag_space"
    assert not (folder / "training_curves.png").exists()
    assert (folder / "convergence.png").exists()
    assert all(math.isinf(e) for e in read_csv(folder / "members.csv").epochs_to_reach)


def test_text_has_a_line_per_predictor(tmp_path: Path) -> None:
    fit(tmp_path, epochs=3)
    correlations = rank_correlations(read_csv(tmp_path / "run" / "dag_space" / "members.csv"))
    lines = correlation_text(correlations).splitlines()
    assert lines[0] == (
        "| predictor | epochs_to_reach: ρ, τ | train_accuracy_2: ρ, τ | train_accuracy_3: ρ, τ |"
    )
    assert len(lines) == 2 + len(PREDICTORS)
    found = next(
        row
        for row in correlations
        if (row["predictor"], row["outcome"]) == ("effective_depth", "train_accuracy_3")
    )
    assert lines[2].startswith("| effective depth | ")
    assert lines[2].endswith(f" | {found['spearman']:+.2f}, {found['kendall']:+.2f} |")


def test_too_few_images_show_before_training() -> None:
    model = DagSpaceClassifier((1, 8, 8), 10, DAGS, width=4)
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        callbacks=[DagSpaceReport(probe_size=5000)],
    )
    with pytest.raises(ValueError, match="DagSpaceReport: probe_size: 5000, expected 1 to"):
        trainer.fit(model, DigitsDataModule())
    assert not trainer.global_step


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="probe_size: expected 2 or more, got 1"):
        DagSpaceReport(probe_size=1)
    trainer = pl.Trainer(max_epochs=1, logger=False, callbacks=[DagSpaceReport()])
    with pytest.raises(MisconfigurationException, match="DagMLPClassifier trains no population"):
        trainer.fit(DagMLPClassifier("2", (1, 8, 8), 10, width=4), DigitsDataModule())
