"""`--ckpt_path last`: the newest run of a name, continued in its own folder."""

from pathlib import Path
from typing import Any

from pytorch_lightning.utilities import rank_zero_info


def continue_last(config: Any) -> None:
    """Point a subcommand's config at the newest run under the logger's name.

    Lightning looks for it in the folder of the run that is about to start, `version_<n+1>`, which
    is empty. Here the logger takes the folder of the run that wrote it, so that one run has one
    folder, however often it was interrupted. One that was stopped before its first checkpoint
    starts again.

    Args:
        config: of the subcommand, as jsonargparse parsed it.

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
    runs = [path for path in folder.glob("version_*") if path.name[8:].isdigit()]
    if not runs:
        raise ValueError(f"ckpt_path: no run to go on with under {folder}")
    newest = max(runs, key=lambda path: int(path.name[8:]))
    checkpoint = newest / "checkpoints" / "last.ckpt"
    if not checkpoint.is_file():
        rank_zero_info(f"{newest} has no checkpoints/last.ckpt yet: it starts from the beginning")
    config["ckpt_path"] = str(checkpoint) if checkpoint.is_file() else None
    arguments["version"] = newest.name
