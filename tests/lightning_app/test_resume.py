"""`--ckpt_path last`, and what a run that was stopped says of it."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jsonargparse import Namespace
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from lightning_app.resume import continue_last, how_to_go_on

FIT = "seed_everything: 0\ntrainer:\n  max_epochs: 3\nckpt_path: null\n"
TEST = "seed_everything: 0\ntrainer:\n  max_epochs: 3\nckpt_path: null\nverbose: true\n"
PREDICT = "trainer:\n  max_epochs: 3\nreturn_predictions: null\n"


def config(folder: Path, ckpt_path: str | None = "last", logger: str = "TensorBoardLogger") -> Any:
    logger = Namespace(
        class_path=f"pytorch_lightning.loggers.{logger}",
        init_args=Namespace(save_dir=str(folder), name="run", version=None),
    )
    return Namespace(ckpt_path=ckpt_path, trainer=Namespace(logger=logger))


def checkpoint(folder: Path, version: str, name: str = "last.ckpt") -> Path:
    path = folder / "run" / version / "checkpoints" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def started(folder: Path, version: str, text: str) -> None:
    """A run that left no more than its config."""
    (folder / "run" / version).mkdir(parents=True)
    (folder / "run" / version / "config.yaml").write_text(text)


def test_the_newest_goes_on_in_its_own_folder(tmp_path: Path) -> None:
    newest = checkpoint(tmp_path, "version_10")
    checkpoint(tmp_path, "version_9")
    given = config(tmp_path)
    continue_last(given, "fit")
    assert given.ckpt_path == str(newest)
    assert given.trainer.logger.init_args.version == 10


@pytest.mark.parametrize("text", [TEST, PREDICT])
@pytest.mark.parametrize("subcommand", ["fit", "test", "export"])
def test_folders_of_evaluations_are_passed_over(tmp_path: Path, text: str, subcommand: str) -> None:
    path = checkpoint(tmp_path, "version_0")
    started(tmp_path, "version_1", text)
    given = config(tmp_path)
    continue_last(given, subcommand)
    assert given.ckpt_path == str(path)
    version = given.trainer.logger.init_args.version
    assert version == (0 if subcommand == "fit" else None)


def test_without_a_checkpoint_it_starts_again_in_its_folder(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, "version_0")
    for number, text in ((1, FIT), (2, ""), (3, TEST)):
        started(tmp_path, f"version_{number}", text)
    given = config(tmp_path)
    continue_last(given, "fit")
    assert given.ckpt_path is None
    assert given.trainer.logger.init_args.version == 2
    given = config(tmp_path)
    continue_last(given, "test")  # untrained weights are not what was asked for
    assert given.ckpt_path == str(path)


def test_the_newest_of_several_last_checkpoints(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, "version_0", "last-v1.ckpt")
    older = checkpoint(tmp_path, "version_0")
    checkpoint(tmp_path, "version_0", ".last.ckpt.partial")
    os.utime(older, (1, 1))
    given = config(tmp_path)
    continue_last(given, "fit")
    assert given.ckpt_path == str(path)


def test_a_logger_that_empties_its_folder_gets_a_new_one(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, "version_0")
    given = config(tmp_path, logger="CSVLogger")
    continue_last(given, "fit")
    assert given.ckpt_path == str(path)
    assert given.trainer.logger.init_args.version is None


@pytest.mark.parametrize("path", [None, "some/path.ckpt", "best"])
def test_other_paths_are_left_alone(tmp_path: Path, path: str | None) -> None:
    given = config(tmp_path, path)
    continue_last(given, "fit")
    assert given == config(tmp_path, path)


def test_nothing_to_resume_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ckpt_path: no run to go on with under .*run"):
        continue_last(config(tmp_path), "fit")
    started(tmp_path, "version_0", TEST)
    with pytest.raises(ValueError, match=r"ckpt_path: no run to go on with under .*run"):
        continue_last(config(tmp_path), "fit")
    started(tmp_path, "version_1", FIT)
    with pytest.raises(ValueError, match=r"ckpt_path: no run under .*run has a last checkpoint"):
        continue_last(config(tmp_path), "test")


def test_last_needs_a_logger_with_a_folder() -> None:
    with pytest.raises(ValueError, match=r"ckpt_path: 'last' needs one trainer\.logger"):
        continue_last(Namespace(ckpt_path="last", trainer=Namespace(logger=False)), "fit")


def test_what_a_stopped_run_says(tmp_path: Path) -> None:
    saver = ModelCheckpoint(save_last=True)
    trainer: Any = SimpleNamespace(checkpoint_callbacks=[saver], loggers=[])
    assert how_to_go_on(trainer) == ""
    saver.last_model_path = str(tmp_path / "gone" / "last.ckpt")
    assert how_to_go_on(trainer) == ""
    path = checkpoint(tmp_path, "version_0")
    saver.last_model_path = str(path)
    assert how_to_go_on(trainer).endswith(f"the same command with --ckpt_path {path}")
    for logger in (TensorBoardLogger, CSVLogger):
        trainer.loggers = [logger(tmp_path, name="run", version=0)]
        assert how_to_go_on(trainer).endswith("the same command with --ckpt_path last")
    best = checkpoint(tmp_path, "version_1", "epoch=1.ckpt")
    saver.last_model_path, saver.best_model_path = "", str(best)
    assert how_to_go_on(trainer).endswith(f"--ckpt_path {best}")
