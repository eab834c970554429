"""One clear line for a mistake on the command line, in a config or in the data."""

import errno
import linecache
import os
import re
import sys
import traceback
from itertools import takewhile
from typing import NoReturn

import torch
from jsonargparse import ArgumentError
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.trainer.connectors import checkpoint_connector
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


def beneath(error: BaseException) -> BaseException:
    """What a constructor raised, where jsonargparse lists it among the types that did not fit."""
    own = error
    while own.__cause__ is not None and _raised_in(own, "jsonargparse."):
        own = own.__cause__
    return error if _raised_in(own, "jsonargparse.") else own


def said_by_lightning(error: BaseException) -> bool:
    """Whether Lightning itself refuses something, such as a metric that is never logged."""
    kinds = (RuntimeError, TypeError)
    return type(error) in kinds and _raised_in(error, "pytorch_lightning.", "lightning_fabric.")


def raised_in_restoring(error: BaseException) -> bool:
    """Whether it went wrong while Lightning restored a checkpoint, and is no refusal of its own."""
    frames = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    connector = checkpoint_connector.__file__
    refused = frames[-1] == connector and isinstance(error, MISTAKES)
    return connector in frames and not refused


def _raised_in(error: BaseException, *packages: str) -> bool:
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith(packages)


def not_written(error: BaseException) -> str | None:
    """One line for a method that somebody's class leaves to be written; else None."""
    if isinstance(error, IndexError) and _raised_in(error, "jsonargparse."):
        # It wraps what a constructor raises, and cannot wrap what has no text.
        return "a class of this run raises an error without a text, such as NotImplementedError"
    if not isinstance(error, NotImplementedError):
        return None
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    if not linecache.getline(frame.f_code.co_filename, line).strip().startswith("raise"):
        return None  # of torch, for a type or a device
    return f"{frame.f_code.co_qualname}: not implemented; {error}".removesuffix("; ")


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


def one_line(message: str) -> str:
    """The option and the innermost reasons of a message in which jsonargparse nests them.

    It indents what is nested, and has options in double quotes.
    """
    lines = [line for line in message.splitlines() if line.strip() not in ("", _NOT_NONE)]
    if not any(line.lstrip().startswith("- ") for line in lines):
        return " ".join(message.split())
    depths = [len(line) - len(line.lstrip(" -")) for line in lines]
    first = depths.index(max(depths))
    around, outer = [lines[first]], depths[first]
    for line, depth in reversed([*zip(lines, depths, strict=True)][:first]):
        if depth < outer:
            around.insert(0, line)
            outer = depth
    option = ".".join(line.split('"')[1] for line in around[:-1] if line.count('"') == 2)
    inner = takewhile(lambda i: depths[i] == depths[first], range(first, len(lines)))
    reasons = "; ".join(dict.fromkeys(lines[i].strip(" -") for i in inner))
    return f"{option}: {reasons}" if option else reasons
