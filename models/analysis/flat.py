"""Nested settings and results as flat records."""

from collections.abc import Mapping
from typing import Any


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return numbers and texts of nested mappings under dotted names; the rest is left out.

    A list becomes one text, in which an object of a class, as a search's settings describe it, is
    the name of that class.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, bool | int | float | str):
            found[f"{prefix}{name}"] = value
        elif isinstance(value, list | tuple) and value:
            found[f"{prefix}{name}"] = ", ".join(map(_text, value))
    return found


def _text(item: Any) -> str:
    return str(item.get("class", item)) if isinstance(item, Mapping) else str(item)
