"""Checks of a checkpoint before a run starts from it."""

import os
import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

_KEYWORDS = ("best", "last", "hpc", "registry")
"""Keywords that Lightning resolves itself; `registry:` may be followed by a name."""


def checkpoint_arguments(path: str) -> dict[str, Any]:
    """The hyper-parameters in a checkpoint; none for keywords and URLs.

    Refuses a file that Lightning would stumble over later.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no checkpoint of Lightning, or one that cannot be read with `weights_only`.
    """
    keyword = path.partition(":")[0] in _KEYWORDS and not os.path.exists(path)
    if keyword or "://" in path:
        return {}
    if os.path.isdir(path):
        inside = [*Path(path).glob("*.ckpt"), *Path(path).glob("checkpoints/*.ckpt")]
        such = f", such as {inside[-1]}" if inside else ""
        raise ValueError(f"ckpt_path: {path} is a folder, expected a file{such}")
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"ckpt_path: no file {path}; expected a checkpoint, or one of {', '.join(_KEYWORDS)}"
        )
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"ckpt_path: {path} is not a checkpoint, or damaged{_whole_ones_beside(path)}"
        )
    try:
        # Mapped, not read: the weights are left to Lightning.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"ckpt_path: {path} cannot be read safely: {reason}") from error
    if not isinstance(content, dict) or "state_dict" not in content:
        raise ValueError(f"ckpt_path: {path} has no 'state_dict': not a checkpoint of Lightning")
    return dict(content.get("hyper_parameters", {}))


def _whole_ones_beside(path: str) -> str:
    """Names the newest checkpoint in the folder of a damaged one."""
    others = [p for p in Path(path).parent.glob("*.ckpt") if zipfile.is_zipfile(p)]
    newest = max(others, key=lambda p: p.stat().st_mtime_ns, default=None)
    return f"; {newest} beside it is whole" if newest else ""


def misfit(error: BaseException) -> str:
    """One line for what goes wrong while a checkpoint is restored.

    A checkpoint of another network has other weights; one of another version may lack entries.
    """
    text = " ".join(str(error).split())
    if text.startswith(("ckpt_path: ", "weights_only: ")):
        return text
    return (
        "ckpt_path: the checkpoint does not fit, it may be of another network or version: "
        f"{type(error).__name__}: {text[:300]}"
    )
