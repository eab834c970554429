"""`--ckpt_path last`: the newest checkpoint of a name, continued in its own folder."""

import os
from pathlib import Path
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_info


def continue_last(config: Any, subcommand: str) -> None:
    """Point a subcommand's config at the newest `last` checkpoint under the logger's name.

    Lightning looks for it in the folder of the run that is about to start, `version_<n+1>`, which
    is empty. Here it is the newest of all, or of the run that `version` names, and the logger of a
    fit takes the folder of the run that wrote it, so that one run has one folder, however often it
    was interrupted. (Lightning's CSVLogger would empty that folder: it gets a new one.) A fit whose
    runs were all stopped before their first checkpoint starts from the beginning.

    Args:
        config: of the subcommand, as jsonargparse parsed it.
        subcommand: its name.

    Raises:
        ValueError: there is no run, or for another subcommand than `fit` no checkpoint; or a fit
            that starts anew has the `version` of one that is there.
    """
    logger = config.get("trainer.logger")
    arguments = logger.get("init_args") if hasattr(logger, "get") else None
    if config.get("ckpt_path") != "last":
        if subcommand == "fit" and not config.get("ckpt_path"):
            _refuse_taken(arguments)
        return
    if arguments is None or arguments.get("save_dir") is None:
        raise ValueError(
            "ckpt_path: 'last' needs one trainer.logger with a save_dir; give the checkpoint's path"
        )
    folder = Path(arguments["save_dir"]) / (arguments.get("name") or "")
    asked = arguments.get("version")  # a number, or a name
    found = folder.glob("*") if asked is None else [folder / _folder_of(asked)]
    runs = [path for path in found if path.is_dir()]
    # One moved to another place writes `last-v1.ckpt` beside the `last.ckpt` it came with.
    checkpoints = [path for run in runs for path in run.glob("checkpoints/last*.ckpt")]
    newest = max(checkpoints, key=lambda path: path.stat().st_mtime_ns, default=None)
    if newest is not None:
        rank_zero_info(f"ckpt_path: last is {newest}")
        config["ckpt_path"] = str(newest)
        if subcommand == "fit" and logger["class_path"].endswith(TensorBoardLogger.__name__):
            name = newest.parent.parent.name
            number = name.removeprefix("version_")
            arguments["version"] = int(number) if number.isdigit() and number != name else name
    elif runs and subcommand == "fit":
        rank_zero_info(f"{folder} has no checkpoint yet: it starts from the beginning")
        config["ckpt_path"] = None
    else:
        raise ValueError(f"ckpt_path: no checkpoint to go on from under {folder}")


def _refuse_taken(arguments: Any) -> None:
    """Two runs in one folder would draw one zigzag line."""
    version = arguments.get("version") if arguments is not None else None
    if version is None or arguments.get("save_dir") is None:
        return
    folder = Path(arguments["save_dir"]) / (arguments.get("name") or "") / _folder_of(version)
    if any(folder.glob("checkpoints/*.ckpt")):
        raise ValueError(
            f"trainer.logger.version: {folder} holds a run; give another name, or go on with it by "
            "--ckpt_path last"
        )


def _folder_of(version: int | str) -> str:
    """Return the folder in which Lightning's loggers write a version."""
    return version if isinstance(version, str) else f"version_{version}"


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
