"""What may have been meant: a hint behind a message of jsonargparse."""

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import zip_longest
from typing import Any

from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer

from lightning_app.usage import SUBCOMMANDS


def hint(message: str, args: Sequence[str]) -> str:
    """Say what to type instead, if that can be told; else nothing.

    Args:
        message: what jsonargparse says.
        args: of the command line.
    """
    return "".join(f"; {text}" for text in _hints(message, args))


def _hints(message: str, args: Sequence[str]) -> Iterator[str]:
    command = next((arg for arg in args if arg in SUBCOMMANDS), "COMMAND")
    if command != args[0] if args else False:
        yield f"the command comes first: lightning {command} --config FILE"
    elif len(args) > 1 and args[1].endswith((".yaml", ".yml")):
        yield f"a config follows --config: lightning {command} --config {args[1]}"
    elif not any(arg.startswith(("--config", "-c", "--model")) for arg in args):
        yield f"give a config: lightning {command} --config configs/quickstart.yaml"
    words = set(re.findall(r"\w+", message))
    for arg, value in zip_longest(args, args[1:], fillvalue=""):
        option = arg.partition("=")[0].rstrip("+")
        name = option.rpartition(".")[2].lstrip("-")
        if not option.startswith("--") or name not in words:
            continue
        if name not in _known():
            for meant in get_close_matches(name, _known(), 1, 0.75):
                yield f"did you mean {option.removesuffix(name)}{meant}?"
        elif value.startswith("["):
            yield f"{option} may take one value, not a list"
    yield from _unwritten(message)


def _known() -> set[str]:
    """Names of arguments of all classes that a command line can name without an import path."""
    classes: list[Any] = [Trainer, LightningModule, LightningDataModule, Callback]
    for kind in classes:
        classes += [new for new in kind.__subclasses__() if new not in classes]
    names = {"config", "seed_everything", "test_after_fit", "ckpt_path", "output"}
    names |= {"model", "data", "trainer"}
    return names.union(*(inspect.signature(kind).parameters for kind in classes))


def _unwritten(message: str) -> Iterator[str]:
    """Methods that classes which the message names leave unwritten, of their abstract base."""
    for word in {word.strip("'\",.:") for word in message.split()}:
        module, _, name = word.rpartition(".")
        kind = getattr(sys.modules.get(module), name, None)
        if inspect.isclass(kind) and inspect.isabstract(kind):
            missing = kind.__abstractmethods__  # type: ignore[attr-defined]
            if not missing & vars(kind).keys():  # else the base itself
                yield f"{name} lacks {', '.join(sorted(missing))}"
