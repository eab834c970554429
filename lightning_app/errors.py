"""One clear line for a mistake on the command line or in a config."""

import inspect
import re
from pydoc import locate
from typing import Any, NoReturn

from pytorch_lightning.cli import LightningArgumentParser

# What jsonargparse says around the reason.
_FRAME = re.compile(
    r"^(Subtypes:|Errors:|Given value|Does not validate against|Problem with given class_path"
    r"|Expected a <class 'NoneType'>|Expected a path but|Not a valid subclass|Subclass types expect"
    r"|a class path \(str\)|a dict |$)"
)


class OneLineParser(LightningArgumentParser):
    """Lightning's parser, whose errors are one line without the usage text, exit code 2.

    Abbreviated options are refused: `--trainer.max_epoch` is a mistake, not `max_epochs`.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the error and exit with code 2; a nested parser raises, to be reported once."""
        if not self.exit_on_error:
            super().error(message, ex)
        self.exit(2, f"lightning: error: {one_line(message)}\n")


def one_line(message: str) -> str:
    """The argument and the reason in a jsonargparse message of many lines."""
    keys = re.findall(r'Parser key "([^"]+)"', message)
    classes = re.findall(r"class_path[ =]'([^']+)'", message)
    text = re.sub(r'Parser key "[^"]+":', "\n", message)
    lines = [line.strip().removeprefix("- ").strip() for line in text.splitlines()]
    reasons = dict.fromkeys(line for line in lines if not _FRAME.match(line)) or [message.strip()]
    reason = " ".join(_plain(line) for line in reasons)
    if classes and "is not accepted" in reason:
        reason += f" by {classes[-1]}; allowed: {', '.join(_arguments(classes[-1]))}"
    argument = ".".join(keys)
    return f"{argument}: {reason}" if argument and not reason.startswith(argument) else reason


def _plain(line: str) -> str:
    """A reason in words instead of Python types."""
    line = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", line)
    line = re.sub(r"^Type .* expects a function or a callable class: ", "", line)
    line = line.replace("is not accepted.", "is not accepted")
    line = re.sub(r" got value: Namespace.*| Got value: Namespace.*", "", line, flags=re.IGNORECASE)
    line = re.sub(r"Expected a typing\.Literal\[(.*?)\]\.?", r"expected one of \1;", line)
    return re.sub(r"\.? Got value: ", ", got ", line)


def _arguments(class_path: str) -> list[str]:
    """Names that a class's constructor takes."""
    constructor: Any = locate(class_path)
    parameters = inspect.signature(constructor).parameters.values()
    return [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
