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
from models.indicators import Indicator
from models.search import Constraint

_TOP = ("config", "seed_everything", "test_after_fit", "ckpt_path", "output", "model", "data")


def hint(message: str, args: Sequence[str]) -> str:
    """Say what to type instead, if that can be told; else nothing.

    Args:
        message: what jsonargparse says.
        args: of the command line.
    """
    return "".join(f"; {text}" for text in _hints(message, args))


def _hints(message: str, args: Sequence[str]) -> Iterator[str]:
    command = next((arg for arg in args if arg in SUBCOMMANDS), None)
    if command and args[0] != command:
        yield f"the command comes first: lightning {command} --config FILE"
    elif len(args) > 1 and args[1].endswith((".yaml", ".yml")):
        yield f"a config follows --config: lightning {command} --config {args[1]}"
    elif not any(arg.startswith(("--config", "-c", "--model")) for arg in args):
        yield f"give a config: lightning {command or 'fit'} --config configs/quickstart.yaml"
    words = set(re.findall(r"\w+", message))
    for arg, after in zip_longest(args, args[1:], fillvalue=""):
        option, _, value = arg.partition("=")
        option, value = option.rstrip("+"), value or after
        meant = [] if value.startswith("-") else _classes_like(value) if value in words else []
        if option.startswith("--") and option.rpartition(".")[2].strip("-") in words:
            meant = _options_like(option) or meant
            if value.startswith("["):
                yield f"{option} may take one value, not a list"
        if option.startswith("-") and meant:
            yield f"did you mean {' or '.join(meant)}?"
    yield from _unwritten(message)


def _kinds() -> set[type]:
    """Classes that a command line can name without an import path."""
    found: list[Any] = [LightningModule, LightningDataModule, Callback, Indicator, Constraint]
    for kind in found:
        found.extend(kind.__subclasses__())
    return set(found)


def _classes_like(name: str) -> list[str]:
    """Classes whose name begins so, for a name that is none of them."""
    names = {kind.__name__ for kind in _kinds()}
    return [] if name in names else sorted(n for n in names if n.startswith(name))


def _options_like(option: str) -> list[str]:
    """Options that are written nearly so; none for one that there is."""
    of_trainer = dict.fromkeys(inspect.signature(Trainer).parameters, "--trainer.")
    prefix, dot, name = option.rpartition(".")
    if not dot:
        names = of_trainer | dict.fromkeys(_TOP, "--")
        name = name.strip("-")
    elif prefix == "--trainer":
        names = of_trainer
    elif prefix in ("--model", "--data", "--trainer.callbacks") or prefix.startswith("--callbacks"):
        taken = (name for kind in _kinds() for name in inspect.signature(kind).parameters)
        names = dict.fromkeys(taken, f"{prefix}.")
    else:
        return []
    near = [] if name in names else get_close_matches(name, names, 2, 0.75)
    return [names[one] + one for one in near]


def _unwritten(message: str) -> Iterator[str]:
    """Methods that classes which the message names leave unwritten, of their abstract base."""
    for word in {word.strip("'\",.:") for word in message.split()}:
        module, _, name = word.rpartition(".")
        kind = getattr(sys.modules.get(module), name, None)
        if inspect.isclass(kind) and inspect.isabstract(kind):
            missing = kind.__abstractmethods__  # type: ignore[attr-defined]
            if not missing & vars(kind).keys():  # else the base itself
                yield f"{name} lacks {', '.join(sorted(missing))}"
