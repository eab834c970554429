"""`--ckpt_path last`."""

from pathlib import Path
from typing import Any

import pytest
from jsonargparse import Namespace

from lightning_app.resume import continue_last


def config(folder: Path, ckpt_path: str | None = "last") -> Any:
    logger = Namespace(
        class_path="pytorch_lightning.loggers.TensorBoardLogger",
        init_args=Namespace(save_dir=str(folder), name="run", version=None),
    )
    return Namespace(ckpt_path=ckpt_path, trainer=Namespace(logger=logger))


def checkpoint(folder: Path, version: str) -> Path:
    path = folder / "run" / version / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def test_the_newest_goes_on_in_its_own_folder(tmp_path: Path) -> None:
    newest = checkpoint(tmp_path, "version_10")
    checkpoint(tmp_path, "version_9")
    given = config(tmp_path)
    continue_last(given)
    assert given.ckpt_path == str(newest)
    assert given.trainer.logger.init_args.version == "version_10"


def test_without_a_checkpoint_it_starts_again_in_its_folder(tmp_path: Path) -> None:
    checkpoint(tmp_path, "version_0")
    (tmp_path / "run" / "version_1").mkdir()
    given = config(tmp_path)
    continue_last(given)
    assert given.ckpt_path is None
    assert given.trainer.logger.init_args.version == "version_1"


@pytest.mark.parametrize("path", [None, "some/path.ckpt", "best"])
def test_other_paths_are_left_alone(tmp_path: Path, path: str | None) -> None:
    given = config(tmp_path, path)
    continue_last(given)
    assert given == config(tmp_path, path)


def test_nothing_to_resume_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ckpt_path: no run to go on with under .*run"):
        continue_last(config(tmp_path))


def test_last_needs_a_logger_with_a_folder() -> None:
    with pytest.raises(ValueError, match=r"ckpt_path: 'last' needs one trainer\.logger"):
        continue_last(Namespace(ckpt_path="last", trainer=Namespace(logger=False)))
