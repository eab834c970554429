"""Reading an architecture that a search, a paper or a user wrote down."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from models.spaces.base import SearchSpace
from models.spaces.darts import DartsSpace
from models.spaces.nasbench201 import NasBench201Space
from models.topology._shown import shown

SPACES: Mapping[str, Callable[[], SearchSpace]] = MappingProxyType(
    {space.name: space for space in (NasBench201Space, DartsSpace)}
)
"""The spaces of this package by name."""


def space_named(name: str) -> SearchSpace:
    """A space of this package, or of somebody's own whose module is imported, by its `name`.

    Raises:
        ValueError: there is none.
    """
    known = {space.name: space for space in _subclasses(SearchSpace)} | dict(SPACES)
    if name not in known:
        raise ValueError(
            f"space: expected one of {', '.join(sorted(known))}, or a SearchSpace, "
            f"got {shown(name)}"
        )
    return known[name]()


def _subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    for space in kind.__subclasses__():
        if hasattr(space, "name"):
            yield space
        yield from _subclasses(space)


def read_architecture(space: SearchSpace, given: str) -> Any:
    """An architecture from its text, or from the `architecture.json` of a search.

    Args:
        space: what it is an architecture of.
        given: the text; or the path of a file, if it ends in `.json`.

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
    if text.endswith(".json"):
        text, origin = _from_file(space, text), f" in {text}"
    try:
        return space.parse(text)
    except ValueError as error:
        for name, other in SPACES.items():
            if name != space.name and _reads(other(), text):
                raise ValueError(
                    f"architecture: {shown(text)}{origin} is of the space {name}, "
                    f"expected {space.name}"
                ) from None
        raise ValueError(f"architecture: {error}{origin}") from None


def _reads(space: SearchSpace, text: str) -> bool:
    try:
        space.parse(text)
    except ValueError:
        return False
    return True


def _from_file(space: SearchSpace, path: str) -> str:
    """The text that a search left in its `architecture.json`."""
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
    return str(content["architecture"])
