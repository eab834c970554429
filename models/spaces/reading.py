"""Read an architecture that a search, a paper or a user wrote down."""

import inspect
import json
import os
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.spaces.base import SearchSpace, SupernetSpace
from models.topology._shown import shown

_FILE = re.compile(r"(?P<path>.*\.json)(#(?P<number>\d{1,9}))?", re.DOTALL)


def as_space(space: SearchSpace | str) -> SearchSpace:
    """Return a space given as such or by its name. Raises ValueError as `space_named`."""
    return space_named(space) if isinstance(space, str) else space


def as_supernet_space(space: SearchSpace | str, asks: str) -> SupernetSpace:
    """Return a space that has a supernet.

    Args:
        space: as such, or its name.
        asks: who needs the supernet, for the message.

    Raises:
        ValueError: it has none.
    """
    space = as_space(space)
    if not isinstance(space, SupernetSpace):
        raise ValueError(
            f"space: {asks} needs a supernet, {space.name} has none; "
            "expected a models.spaces.SupernetSpace"
        )
    return space


def space_named(name: str) -> SearchSpace:
    """Build a space by its `name`, or by the import path of its class.

    Args:
        name: of a space of this package or of an imported module; or `module.Class`. The command
            line hands an import path on as text where it cannot use the class, so that the reason
            is said here.

    Raises:
        ValueError: there is none, or its class cannot be imported or built.
    """
    if "." in name:
        return _at(name)
    known: dict[str, type[SearchSpace]] = {}
    for space in _spaces(SearchSpace):
        known.setdefault(space.name, space)
    if name not in known:
        raise ValueError(
            f"space: expected one of {', '.join(sorted(known))}, or a SearchSpace, "
            f"got {shown(name)}"
        )
    return known[name]()


def _at(path: str) -> SearchSpace:
    """Build the space at an import path. Raises ValueError with the reason why it cannot be."""
    try:
        found = pkgutil.resolve_name(path)
    except (ImportError, AttributeError, SyntaxError, ValueError) as error:
        raise ValueError(f"space: {path} cannot be imported: {error}") from error
    if not (inspect.isclass(found) and issubclass(found, SearchSpace)):
        raise ValueError(f"space: {path} is no models.spaces.SearchSpace")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise ValueError(f"space: {path} lacks {missing}")
    try:
        return found()
    except TypeError as error:
        raise ValueError(f"space: {path}: {error}; give them as init_args") from error


def _spaces(kind: type[Any]) -> Iterator[type[Any]]:
    """Yield the classes below `kind` that are spaces, those of this package first."""
    for space in kind.__subclasses__():
        if hasattr(space, "name") and not inspect.isabstract(space):
            yield space
        yield from _spaces(space)


def read_architecture(space: SearchSpace, given: str) -> Any:
    """An architecture from its text, or from the `architecture.json` of a search.

    Args:
        space: what it is an architecture of.
        given: the text; or the path of a file, if it ends in `.json`, of which `.json#3` takes the
            third of its members.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no architecture of this space, in one line.
    """
    if not isinstance(given, str):
        raise ValueError(
            f"architecture: expected a string, got {type(given).__name__}; str() makes it one"
        )
    text = given.strip()
    origin = ""
    if file := _FILE.fullmatch(text):
        text, origin = _from_file(space, file["path"], file["number"]), f" in {text}"
    elif os.path.exists(text):
        kind = "a folder" if os.path.isdir(text) else "no architecture.json"
        raise ValueError(
            f"architecture: {text} is {kind}; expected the file of a search, such as "
            "runs/search_quickstart/version_0/architecture.json"
        )
    try:
        return space.parse(text)
    except ValueError as error:
        for other in _spaces(SearchSpace):
            ours = other.__module__.startswith(f"{__package__}.")  # others may read anything
            if ours and other.name != space.name and _reads(other(), text):
                raise ValueError(
                    f"architecture: {shown(text)}{origin} is of the space {other.name}, "
                    f"expected {space.name}"
                ) from None
        raise ValueError(f"architecture: {error}{origin}") from None


def read_budget(given: str) -> dict[str, float]:
    """Upper bounds on costs that a search kept to, by cost; none where that is not known.

    Args:
        given: as for `read_architecture`, which reads it first.
    """
    file = _FILE.fullmatch(given.strip())
    content = json.loads(Path(file["path"]).read_text(encoding="utf-8")) if file else {}
    settings = content.get("settings")
    bounds = settings.get("budget") if isinstance(settings, dict) else None
    if not isinstance(bounds, dict):
        return {}
    return {k: float(bound) for k, bound in bounds.items() if isinstance(bound, int | float)}


def _reads(space: SearchSpace, text: str) -> bool:
    try:
        space.parse(text)
    except ValueError:
        return False
    return True


def _from_file(space: SearchSpace, path: str, number: str | None) -> str:
    """The text that a search left in its `architecture.json`, or that of its numbered member."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"architecture: no file {path}")
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"architecture: {path} is no JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("architecture"), str):
        raise ValueError(f"architecture: {path} has no 'architecture': not the file of a search")
    if content.get("space", space.name) != space.name:
        raise ValueError(
            f"architecture: {path} is of the space {content['space']}, expected {space.name}"
        )
    if number is None:
        return str(content["architecture"])
    members = content.get("members", [])
    try:
        texts = [str(member["architecture"]) for member in members]
    except (TypeError, KeyError):
        raise ValueError(f"architecture: {path} has damaged 'members'") from None
    if not 1 <= int(number) <= len(texts):
        there = f"#1 to #{len(texts)}" if texts else "one architecture and no other members"
        raise ValueError(f"architecture: {path} has {there}, got #{number}")
    return texts[int(number) - 1]
