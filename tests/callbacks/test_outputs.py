"""Figures go to every logger that takes them, once."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
from matplotlib.figure import Figure
from PIL import Image
from pytorch_lightning.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger
from pytorch_lightning.loggers.logger import DummyLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from callbacks.outputs import Shown, boards, show, takes_figures


class PictureLogger(CSVLogger):
    """Takes pictures as W&B's logger does, and keeps them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.pictures: list[tuple[str, list[Any]]] = []

    def log_image(self, key: str, images: list[Any]) -> None:
        self.pictures.append((key, images))


class FigureLogger(MLFlowLogger):
    """Takes figures as MLflow's logger does, without a server."""

    def __init__(self) -> None:
        self.figures: list[tuple[Any, ...]] = []

    @property
    def experiment(self) -> Any:
        return SimpleNamespace(log_figure=lambda *given: self.figures.append(given))

    @property
    def run_id(self) -> str:
        return "run"


def trainer_of(*loggers: Any, rank: int = 0, folder: str = "") -> Any:
    return SimpleNamespace(
        loggers=list(loggers), is_global_zero=rank == 0, log_dir=folder, default_root_dir="root"
    )


def test_a_picture_for_loggers_like_wandb_s(tmp_path: Path) -> None:
    logger = PictureLogger(tmp_path)
    assert takes_figures(trainer_of(logger))
    show(trainer_of(logger), "wiring", Figure(figsize=(3, 2)), 4)
    ((key, (picture,)),) = logger.pictures
    assert key == "wiring"
    assert isinstance(picture, Image.Image)
    assert picture.size == (300, 200)


def test_a_figure_for_loggers_like_mlflow_s() -> None:
    logger, figure = FigureLogger(), Figure()
    show(trainer_of(logger), "search/best", figure, 2)
    assert logger.figures == [("run", figure, "search/best_2.png")]


def test_loggers_without_pictures_are_left_out(tmp_path: Path) -> None:
    plain, board = CSVLogger(tmp_path / "csv"), TensorBoardLogger(tmp_path / "board")
    assert not takes_figures(trainer_of(plain, DummyLogger()))
    show(trainer_of(plain, board), "a", Figure(figsize=(3, 2)), 7)
    board.finalize("success")
    (event,) = EventAccumulator(board.log_dir).Reload().Images("a")
    assert (event.step, event.width, event.height) == (7, 300, 200)


def test_other_ranks_show_nothing(tmp_path: Path) -> None:
    logger = PictureLogger(tmp_path)
    trainer = trainer_of(logger, rank=1)
    assert not takes_figures(trainer)
    assert boards(trainer) == []
    show(trainer, "a", Figure(), 0)
    assert logger.pictures == []


def test_what_was_shown_is_not_new_until_it_changes() -> None:
    shown = Shown()
    shown.open(trainer_of(folder="here"))
    assert [shown.is_new("a", text) for text in ("x", "x", "y", "x")] == [True, False, True, True]
    resumed = Shown()
    resumed.load_state_dict(shown.state_dict())
    resumed.open(trainer_of(folder="here"))
    assert not resumed.is_new("a", "x")
    resumed.open(trainer_of(folder="elsewhere"))
    assert resumed.is_new("a", "x")


@pytest.mark.parametrize("logger", [False, "csv"])
def test_monitors_run_without_a_logger_that_takes_pictures(tmp_path: Path, logger: Any) -> None:
    from callbacks import NTKMonitor, RunRecord, TopologyMonitor
    from datamodules import DigitsDataModule
    from models import DagMLPClassifier

    data = DigitsDataModule(batch_size=512)
    made = CSVLogger(tmp_path) if logger else False
    pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=made,
        callbacks=[RunRecord(), NTKMonitor(4), TopologyMonitor()],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        log_every_n_steps=1,
    ).fit(DagMLPClassifier("2_21_112", data.in_shape, 10, width=4), data)
    if made:
        assert "dag: '2_21_112'" in Path(made.log_dir, "hparams.yaml").read_text()
        header = Path(made.log_dir, "metrics.csv").read_text().splitlines()[0].split(",")
        assert {"costs/parameters", "train/accuracy", "effective_depth"} <= set(header)
