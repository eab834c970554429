"""One clear line for a mistake on the command line, in a config or in the data."""

import errno
import inspect
import os
import re
import sys
import traceback
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from importlib import import_module
from pydoc import locate
from typing import Any, NoReturn

from jsonargparse import ArgumentError
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.cli import LightningArgumentParser
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.exceptions import SIGTERMException

from lightning_app.signals import AGREED

MISTAKES = (ValueError, OSError, MisconfigurationException, ArgumentError)
"""What bad arguments and bad data raise; anything else is a bug, and keeps its traceback."""

_PACKAGES = {
    "model": "models",
    "data": "datamodules",
    "trainer.callbacks": "callbacks",
    "model.space": "models.spaces",
    "model.indicator": "models.indicators",
}
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
"""Troubles of the disk: never a bug, wherever they come up."""
_STEPS = {"training_step", "validation_step", "test_step", "predict_step"}
_LOST = re.compile(
    r"Connection (closed|reset) by peer|Broken pipe|[Rr]emote (process exited|server shutdown)"
    r"|communicator was aborted"
)
# What jsonargparse says around the reason.
_FRAME = re.compile(
    r"(Subtypes:|Errors:|Given value|Does not validate against|Expected a <class 'NoneType'>"
    r"|Expected a path but|Not a valid subclass|Subclass types expect|a class path \(str\)"
    r"|a dict |Type .* class:$|$)"
)


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
    if isinstance(error, SIGTERMException):
        reason, code = "SIGTERM", 143
    elif isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt):
        reason, code = "Ctrl-C", 130
    else:
        return
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
        # Where all stop, a failure would have Lightning kill the first process before its line.
        alone = isinstance(error, SIGTERMException) and error.code != AGREED
        sys.exit(code if alone else 0)
    line = "; ".join([f"stopped by {reason}", *getattr(error, "__notes__", ())])
    sys.stderr.write(f"lightning: {line}\n")
    sys.exit(code)


def raised_in_step(error: BaseException) -> bool:
    """Whether it went wrong within a model's step: a bug, whose traceback matters."""
    if isinstance(error, OSError) and error.errno in _DISK:
        return False
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code.co_name in _STEPS for frame, _ in frames)


def lost_process(error: RuntimeError) -> str | None:
    """One line for what torch says when another process of the run has ended; else None."""
    if not _LOST.search(str(error)):
        return None
    return "another process of this run has ended; its own last lines say why"


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
        fail(one_line(message, self.options()))

    def options(self) -> set[str]:
        """The names of all options, those of subcommands too, without dashes."""
        subcommands: Any = self._subcommands_action
        parsers = [self, *(subcommands.choices.values() if subcommands else ())]
        names = {name for parser in parsers for name in parser._option_string_actions}
        return {name.lstrip("-") for name in names}


def one_line(message: str, options: Collection[str] = ()) -> str:
    """The argument and the reason in a jsonargparse message of many lines.

    Args:
        message: what jsonargparse says.
        options: known options, of which the one most like an unknown one is suggested.
    """
    if found := re.match(
        r"unrecognized arguments: (.*)|Subcommand '(\w+)' does not accept option '(.+)'", message
    ):
        name = (found[1] or found[3]).split()[0].split("=")[0]
        close = get_close_matches(name.lstrip("-"), {*options} - {name.lstrip("-")}, n=1)
        hint = f"did you mean {close[0]}?" if close else f"see lightning {found[2] or 'fit'} --help"
        return f"{name}: no such option; {hint}"
    if found := re.match(r"Problems parsing config: (.*)", message, re.DOTALL):
        return "config: no valid YAML: " + found[1].replace('in "<unicode string>",', "at")
    if found := re.match(r"Unexpected config: (.*)", message, re.DOTALL):
        return f"config: expected lines such as 'key: value', got {found[1][:80]!r}"
    if found := re.match(r"the following arguments are required: (\w+)\.(\w+)$", message):
        return f"{found[2]}: required; give --{found[2]} with one of {_examples(found[2])}"
    keys, reasons = _parts(message)
    argument = ".".join(keys)
    named = re.search(r"Given value: ([\w.]+)$", message, re.MULTILINE)
    if named and "but is abstract" in reasons[0]:
        cls: Any = locate(named[1])
        reason = f"{named[1]} lacks {', '.join(sorted(cls.__abstractmethods__))}"
    elif named and (kind := re.search(r"does not correspond to a subclass of (\w+)", reasons[0])):
        reason = f"{named[1]} is no {kind[1]}"
    elif all(reason.startswith("expected ") and ", got " not in reason for reason in reasons):
        given = re.search(r"Given value: (.*)", message)
        reason = "expected " + " or ".join(text.removeprefix("expected ") for text in reasons)
        reason += f", got {given[1]}" if given else ""
    else:
        reason = reasons[0]
    return f"{argument}: {reason}" if argument and not reason.startswith(f"{argument}:") else reason


def _parts(message: str) -> tuple[list[str], list[str]]:
    """Nested keys that lead to the first reason, and all reasons."""
    keys: list[str] = []
    reasons: dict[str, None] = {}
    class_path = ""
    for line in re.sub(r'Parser key "([^"]+)":', r"\n@\1\n", message).splitlines():
        text = line.strip().removeprefix("- ").strip()
        if text.startswith("@"):
            keys += [] if reasons else [text[1:]]
        elif found := re.match(r"Problem with given class_path '([^']+)'", text):
            class_path = found[1]
        elif not _FRAME.match(text):
            reasons[_plain(text, ".".join(keys), class_path)] = None
    return keys, list(reasons) or [message.strip()]


def _plain(text: str, key: str, class_path: str) -> str:
    """A reason in words instead of Python types, with what is allowed."""
    if found := re.search(r"Option '(.+)' is not accepted", text):
        injected = re.search(r"class_path='([^']+)'", text)  # an optimizer or scheduler
        names = _arguments(injected[1])[1:] if injected else _arguments(class_path)
        owner = injected[1] if injected else class_path
        return f"{owner} takes no '{found[1]}'; allowed: {', '.join(names)}"
    if found := re.search(r"module '(.+)' has no attribute '(\w+)'", text):
        return f"no class '{found[2]}' in {found[1]}; there are {', '.join(_classes(found[1]))}"
    if found := re.search(r"Expected a dot import path string: (.*)", text):
        return f"no class '{found[1]}'; give an import path, such as {_examples(key)}"
    if found := re.match(r"Type .* expects a function or a callable class: (.*)", text):
        text = found[1]
    if found := re.match(r"Expected a typing\.Literal\[(.*?)\]\.?(?: Got value: (.*))?", text):
        return f"expected one of {found[1]}" + (f", got {found[2]}" if found[2] else "")
    if found := re.match(r"Expected a <class '(?:\w+\.)*(\w+)'>\.?(?: Got value: (.*))?", text):
        expected = f"expected {'an' if found[1][0] in 'aeiou' else 'a'} {found[1]}"
        got = f", got {found[2]}" if found[2] else ""
        quote = found[1] == "str" and re.fullmatch(r"[-\d.]+", found[2] or "")
        return expected + got + (": quote it, or YAML reads a number" if quote else "")
    return text


def _arguments(class_path: str) -> list[str]:
    """Names that a class's constructor takes, those of its bases too where it hands them on."""
    cls: Any = locate(class_path)
    names: dict[str, None] = {}
    for base in inspect.getmro(cls):
        parameters = inspect.signature(base).parameters.values()
        names |= dict.fromkeys(p.name for p in parameters if p.kind not in (2, 4))
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break
    return list(names)


def _classes(module: str) -> Iterable[str]:
    """Public classes of a module."""
    content = import_module(module)
    names = getattr(content, "__all__", dir(content))
    public = ((name, getattr(content, name)) for name in names)
    return [
        name
        for name, value in public
        if inspect.isclass(value) and not inspect.isabstract(value) and not issubclass(value, tuple)
    ]


def _examples(key: str) -> str:
    """Class paths that an argument takes."""
    package = _PACKAGES.get(key)
    return ", ".join(f"{package}.{name}" for name in _classes(package)) if package else "torch.nn.X"
