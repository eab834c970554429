"""The report on a fit of a space of DAGs."""

import csv
import logging
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
from models.analysis.dag_space_table import PREDICTORS, read_csv
from models.classifiers.dag_space_classifier import DagSpaceClassifier

DAGS = [*PAPER_DAGS, "1_12_211"]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


def fit(
    folder: Path, *callbacks: pl.Callback, epochs: int = 2, ckpt_path: Path | None = None
) -> DagSpaceClassifier:
    model = DagSpaceClassifier(
        (1, 8, 8),
        10,
        dags=DAGS,
        repeats=2,
        width=8,
        target_accuracy=0.5,
        optimizer=lambda parameters: SGD(parameters, lr=0.05),
    )
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=TensorBoardLogger(folder, name="", version="run"),
        callbacks=list(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(model, DigitsDataModule(), ckpt_path=ckpt_path, weights_only=True)
    trainer.save_checkpoint(folder / "last.ckpt")
    return model


def test_files_and_tensorboard_hold_what_the_fit_did(tmp_path: Path) -> None:
    model = fit(tmp_path, DagSpaceReport(8))
    folder = tmp_path / "run" / "dag_space"
    figures = {"accuracy_over_depth_width", "training_curves", "convergence"}
    assert {path.name for path in folder.iterdir()} == {
        "members.csv",
        "rank_correlations.csv",
        *(f"{name}.png" for name in figures),
    }
    table = read_csv(folder / "members.csv")
    assert table.dags == [dag for dag in DAGS for _ in range(2)]
    assert table.repeats == [0, 1] * len(DAGS)
    assert set(table.curves) == {"train_loss", "train_accuracy", "val_loss", "val_accuracy"}
    for name, curve in model.history.items():
        for epoch, values in curve.items():
            written = torch.from_numpy(table.curves[name.replace("/", "_")][epoch])
            torch.testing.assert_close(written.float(), values)
    assert table.epochs_to_reach.tolist() == model.epochs_to_reach().tolist()
    with (folder / "rank_correlations.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(PREDICTORS) * 3

    events = EventAccumulator(str(tmp_path / "run"), {"histograms": 0}).Reload()
    tags = events.Tags()
    assert set(tags["images"]) == {f"dag_space/{name}" for name in figures}
    assert [event.step for event in events.Histograms("dag_space/train_accuracy")] == [1, 2]
    assert "dag_space/rank_correlations/text_summary" in tags["tensors"]


def test_report_on_a_resumed_fit_is_that_of_a_fit_in_one_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callbacks.dag_space_report.report_figures", lambda _: {})
    whole, first, second = (tmp_path / name for name in ("whole", "first", "second"))
    reported = fit(whole, DagSpaceReport(8))
    fit(first, epochs=1)
    fit(second, DagSpaceReport(8), ckpt_path=first / "last.ckpt")
    one, other = (
        (folder / "run" / "dag_space" / "members.csv").read_text() for folder in (whole, second)
    )
    assert one == other
    # And training is not changed by the report.
    alone = fit(tmp_path / "alone")
    torch.testing.assert_close(
        reported.population.state_dict(), alone.population.state_dict(), rtol=0, atol=0
    )


def test_errors_show_before_training(tmp_path: Path, quiet: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="probe_size: expected 2 or more, got 1"):
        DagSpaceReport(probe_size=1)
    with pytest.raises(ValueError, match="DagSpaceReport: probe_size: 5000, expected 1 to"):
        fit(tmp_path, DagSpaceReport(probe_size=5000))
    trainer = pl.Trainer(**quiet, callbacks=[DagSpaceReport()])
    with pytest.raises(MisconfigurationException, match="DagMLPClassifier trains no population"):
        trainer.fit(DagMLPClassifier("2", (1, 8, 8), 10, width=4), DigitsDataModule())
