"""One clear line for a mistake on the command line, in a config or in the data."""

import errno
import os
import re
import sys
import traceback
from itertools import takewhile
from typing import Any, NoReturn

import torch
from jsonargparse import ArgumentError
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.cli import LightningArgumentParser
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.exceptions import SIGTERMException

from lightning_app.signals import AGREED

MISTAKES = (ValueError, OSError, MisconfigurationException, ArgumentError)
"""Exceptions for bad arguments and bad data; any other is a bug, and keeps its traceback."""

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
"""Troubles of the disk: never a bug, wherever they come up."""
_STEPS = {"training_step", "validation_step", "test_step", "predict_step"}
_LOST = re.compile(
    r"Connection (closed|reset) by peer|Broken pipe|[Rr]emote (process exited|server shutdown)"
    r"|communicator was aborted"
)
_NOT_NONE = "- Expected a <class 'NoneType'>"  # of every optional argument
_KEY = re.compile(r'Parser key "([^"]+)":')


def fail(message: str, error: BaseException | None = None) -> NoReturn:
    """Say what is wrong, with the notes of the error, and end with exit code 2."""
    line = "; ".join([message, *getattr(error, "__notes__", ())])
    sys.stderr.write(f"lightning: error: {' '.join(line.split())}\n")
    sys.exit(2)


def stopped(error: SystemExit | KeyboardInterrupt) -> None:
    """Say that the run was stopped from outside, if it was, and end as shells expect.

    The first process speaks for all; the others end without a word.

    Args:
        error: SystemExit or KeyboardInterrupt, of which Lightning makes a SystemExit.
    """
    cause = error.__context__ if isinstance(error.__context__, KeyboardInterrupt) else error
    if isinstance(cause, SIGTERMException):
        reason, code = "SIGTERM", 143
    elif isinstance(cause, KeyboardInterrupt):
        reason, code = "Ctrl-C", 130
    else:
        return
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
        # Where all stop, a failure would have Lightning kill the first process before its line.
        alone = isinstance(cause, SIGTERMException) and cause.code != AGREED
        sys.exit(code if alone else 0)
    line = "; ".join([f"stopped by {reason}", *getattr(cause, "__notes__", ())])
    sys.stderr.write(f"lightning: {line}\n")
    sys.exit(code)


def raised_in_step(error: BaseException) -> bool:
    """Whether it went wrong within a model's step: a bug, whose traceback matters."""
    if isinstance(error, OSError) and error.errno in _DISK:
        return False
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code.co_name in _STEPS for frame, _ in frames)


def lost_process(error: BaseException) -> str | None:
    """One line for what torch says when another process of the run has ended; else None."""
    if not isinstance(error, RuntimeError) or not _LOST.search(str(error)):
        return None
    return "another process of this run has ended; its own last lines say why"


def device_error(error: BaseException) -> str | None:
    """One line for a device that is broken or out of memory, wherever that comes up; else None."""
    if not isinstance(error, (torch.AcceleratorError, torch.OutOfMemoryError)):
        return None
    return f"device: {str(error).strip().partition(chr(10))[0]}"


def debugging() -> bool:
    """Whether the user asks jsonargparse, and so us, for tracebacks."""
    return os.environ.get("JSONARGPARSE_DEBUG", "").lower() == "true"


class OneLineParser(LightningArgumentParser):
    """Lightning's parser, whose errors are one line without the usage text, exit code 2.

    Abbreviated options are refused: `--trainer.max_epoch` is a mistake, not `max_epochs`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Report a mistake once; a nested parser raises, and its parent reports."""
        if not self.exit_on_error or debugging():
            super().error(message, ex)
        fail(one_line(message))


def one_line(message: str) -> str:
    """The argument and the innermost reasons of a message in which jsonargparse nests them."""
    lines = [line for line in message.splitlines() if line.strip() not in ("", _NOT_NONE)]
    if not any(line.lstrip().startswith("- ") for line in lines):
        return _KEY.sub(r"\1:", " ".join(message.split()))
    depths = [len(line) - len(line.lstrip(" -")) for line in lines]
    first = depths.index(max(depths))
    keys: list[str] = []
    outer = depths[first]
    for line, depth in reversed([*zip(lines, depths, strict=True)][:first]):
        if depth < outer:
            outer = depth
            keys = _KEY.findall(line) + keys
    inner = takewhile(lambda i: depths[i] == depths[first], range(first, len(lines)))
    reasons = "; ".join(dict.fromkeys(lines[i].strip(" -") for i in inner))
    return f"{'.'.join(keys)}: {reasons}" if keys else reasons
