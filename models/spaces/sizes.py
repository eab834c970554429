"""Sizes of a space's networks, as a config gives them."""

import inspect
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, get_args

_ELSEWHERE = {"architecture", "num_classes", "in_channels", "mask", "drop_path"}
"""Parameters that are not sizes."""

_PLAIN = {int, bool, NoneType}


def check_sizes(
    build: Callable[..., Any], sizes: Mapping[str, Any], what: str, argument: str = "sizes"
) -> None:
    """Refuse sizes that a space's networks do not have.

    Args:
        build: `network` or `supernet` of a space.
        sizes: to be given to it by name.
        what: it builds, for the message.
        argument: what `sizes` is called where they are given.

    Raises:
        ValueError: another name, a value of another type, or a number below 1.
    """
    parameters = inspect.signature(build).parameters
    allowed = [name for name in parameters if name not in _ELSEWHERE]
    for name, value in sizes.items():
        if name not in allowed:
            raise ValueError(f"{argument}: {what} have no {name!r}; allowed: {', '.join(allowed)}")
        annotation = parameters[name].annotation
        kinds = get_args(annotation) or (annotation,)
        if set(kinds) <= _PLAIN and type(value) not in kinds:
            expected = " or ".join(kind.__name__ for kind in kinds if kind is not NoneType)
            raise ValueError(f"{argument}: {name}: expected {expected}, got {value!r}")
        if isinstance(value, int) and not isinstance(value, bool) and value < 1:
            raise ValueError(f"{argument}: {name}: expected 1 or more, got {value}")
