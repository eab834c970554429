"""`--ckpt_path last`: the newest checkpoint of the run's name, continued in its own folder."""

from pathlib import Path
from typing import Any


def continue_last(config: Any) -> None:
    """Point a subcommand's config at the newest `last.ckpt` under the logger's name.

    Lightning looks for it in the folder of the run that is about to start, `version_<n+1>`, which
    is empty. Here the logger takes the folder of the run that wrote it, so that one run has one
    folder, however often it was interrupted.

    Args:
        config: of the subcommand, as jsonargparse parsed it.

    Raises:
        ValueError: there is no such checkpoint.
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
    found = list(folder.glob("*/checkpoints/last.ckpt"))
    if not found:
        raise ValueError(f"ckpt_path: no last.ckpt under {folder}/*/checkpoints")
    newest = max(found, key=lambda path: path.stat().st_mtime)
    config["ckpt_path"] = str(newest)
    arguments["version"] = newest.parent.parent.name
