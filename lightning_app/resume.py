"""`--ckpt_path last`: the newest run of a name, continued in its own folder."""

import os
import re
from pathlib import Path
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_info

_OF_AN_EVALUATION = re.compile(r"^(verbose|return_predictions):", re.MULTILINE)
"""Entries of a config that `validate`, `test` and `predict` write and `fit` does not."""


def continue_last(config: Any, subcommand: str) -> None:
    """Point a subcommand's config at the newest fit under the logger's name.

    Lightning looks for it in the folder of the run that is about to start, `version_<n+1>`, which
    is empty. Here the logger takes the folder of the run that wrote it, so that one run has one
    folder, however often it was interrupted. (Lightning's CSVLogger would empty that folder: it
    gets a new one.) A fit that was stopped before its first checkpoint starts again. Folders that
    `test`, `validate` and `predict` made are passed over.

    These three, and `export`, take the newest checkpoint there is, and write where they would
    without it.

    Args:
        config: of the subcommand, as jsonargparse parsed it.
        subcommand: its name.

    Raises:
        ValueError: there is no such run.
    """
    if config.get("ckpt_path") != "last":
        return
    logger = config.get("trainer.logger")
    arguments = logger.get("init_args") if hasattr(logger, "get") else None
    if arguments is None or arguments.get("save_dir") is None:
        raise ValueError(
            "ckpt_path: 'last' needs one trainer.logger with a save_dir; give the checkpoint's path"
        )
    folder = Path(arguments["save_dir"]) / (arguments.get("name") or "")
    runs = _fits(folder)
    if not runs:
        raise ValueError(f"ckpt_path: no run to go on with under {folder}")
    found = next((path for run in runs if (path := last_checkpoint(run))), None)
    if subcommand != "fit":
        if found is None:
            raise ValueError(f"ckpt_path: no run under {folder} has a last checkpoint")
        rank_zero_info(f"ckpt_path: last is {found}")
        config["ckpt_path"] = str(found)
        return
    newest = runs[0]
    checkpoint = last_checkpoint(newest)
    if checkpoint is None:
        earlier = f"; --ckpt_path {found} goes on with an earlier run" if found else ""
        rank_zero_info(
            f"{newest} has no checkpoints/last.ckpt yet: it starts from the beginning{earlier}"
        )
    config["ckpt_path"] = str(checkpoint) if checkpoint else None
    if str(logger.get("class_path")).endswith(TensorBoardLogger.__name__):
        arguments["version"] = int(newest.name[8:])


def last_checkpoint(run: Path) -> Path | None:
    """The newest `last` checkpoint in a run's folder, or None.

    One moved to another place writes `last-v1.ckpt` beside the `last.ckpt` it came with.
    """
    paths = list((run / "checkpoints").glob("last*.ckpt"))
    return max(paths, key=lambda path: path.stat().st_mtime_ns, default=None)


def _fits(folder: Path) -> list[Path]:
    """Folders of training runs and searches, the newest first."""
    versions = [path for path in folder.glob("version_*") if path.name[8:].isdigit()]
    versions.sort(key=lambda path: int(path.name[8:]), reverse=True)
    return [path for path in versions if last_checkpoint(path) or not _is_evaluation(path)]


def _is_evaluation(run: Path) -> bool:
    """Whether it left the config of an evaluation; one killed before that could be anything."""
    try:
        text = (run / "config.yaml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return _OF_AN_EVALUATION.search(text) is not None


def how_to_go_on(trainer: Trainer) -> str:
    """Say what to type to continue a fit that ended early; empty without a checkpoint."""
    for callback in trainer.checkpoint_callbacks:
        if not isinstance(callback, ModelCheckpoint):
            continue
        last, best = callback.last_model_path, callback.best_model_path
        if os.path.isfile(last):
            path = "last" if _in_folder_of_a_logger(last, trainer) else last
        elif os.path.isfile(best):
            path = best
        else:
            continue
        return f"to go on from the last checkpoint: the same command with --ckpt_path {path}"
    return ""


def _in_folder_of_a_logger(checkpoint: str, trainer: Trainer) -> bool:
    """Whether `--ckpt_path last` finds it. (Not by `trainer.log_dir`, which asks all ranks.)"""
    folders = [Path(logger.log_dir or "", "checkpoints") for logger in trainer.loggers]
    return Path(checkpoint).resolve().parent in [folder.resolve() for folder in folders]
