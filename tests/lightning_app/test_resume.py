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


def test_the_newest_goes_on_in_its_own_folder(tmp_path: Path) -> None:
    """Whatever failed starts, evaluations and runs without a checkpoint came after it."""
    older = checkpoint(tmp_path, "version_9")
    os.utime(older, (1, 1))
    newest = checkpoint(tmp_path, "version_2", "last-v1.ckpt")
    checkpoint(tmp_path, "version_2", ".last.ckpt.partial")
    for version in ("version_10", "version_x"):
        (tmp_path / "run" / version).mkdir()
    for subcommand in ("fit", "test", "export"):
        given = config(tmp_path)
        continue_last(given, subcommand)
        assert given.ckpt_path == str(newest)
        version = given.trainer.logger.init_args.version
        assert version == (2 if subcommand == "fit" else None)


def test_a_run_with_a_name_goes_on_by_its_name_and_by_last(tmp_path: Path) -> None:
    named = checkpoint(tmp_path, "dag_2_21_112")
    os.utime(named, (1, 1))
    newest = checkpoint(tmp_path, "version_0")
    for asked, path, version in (
        ("dag_2_21_112", named, "dag_2_21_112"), (0, newest, 0), (None, newest, 0),
    ):  # fmt: skip
        given = config(tmp_path)
        given.trainer.logger.init_args.version = asked
        continue_last(given, "fit")
        assert (given.ckpt_path, given.trainer.logger.init_args.version) == (str(path), version)
    os.utime(newest, (0, 0))
    given = config(tmp_path)
    continue_last(given, "fit")
    assert given.trainer.logger.init_args.version == "dag_2_21_112"


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    checkpoint(tmp_path, "dag_2")
    given = config(tmp_path, None)
    given.trainer.logger.init_args.version = "dag_2"
    with pytest.raises(ValueError, match=r"trainer\.logger\.version: .*dag_2 holds a run; give an"):
        continue_last(given, "fit")
    continue_last(given, "test")
    given.ckpt_path = "some/path.ckpt"
    continue_last(given, "fit")
    given.ckpt_path, given.trainer.logger.init_args.version = None, "dag_3"
    continue_last(given, "fit")


def test_runs_without_a_checkpoint_start_again(tmp_path: Path) -> None:
    """A cluster gives `--ckpt_path last` whenever it starts a job anew."""
    (tmp_path / "run" / "version_0").mkdir(parents=True)
    given = config(tmp_path)
    continue_last(given, "fit")
    assert given == config(tmp_path, None)
    with pytest.raises(ValueError, match=r"ckpt_path: no checkpoint to go on from under .*run"):
        continue_last(config(tmp_path), "test")  # untrained weights are not what was asked for


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
    with pytest.raises(ValueError, match=r"ckpt_path: no checkpoint to go on from under .*run"):
        continue_last(config(tmp_path), "fit")


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
