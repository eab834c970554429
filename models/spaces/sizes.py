"""Sizes of a space's networks, as a config gives them."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

_ELSEWHERE = {"architecture", "num_classes", "in_channels", "mask", "drop_path"}
"""What is given in another way."""


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
        ValueError: another name, or a number below 1.
    """
    allowed = [name for name in inspect.signature(build).parameters if name not in _ELSEWHERE]
    for name, value in sizes.items():
        if name not in allowed:
            raise ValueError(f"{argument}: {what} have no {name!r}; allowed: {', '.join(allowed)}")
        if isinstance(value, int) and not isinstance(value, bool) and value < 1:
            raise ValueError(f"{argument}: {name}: expected 1 or more, got {value}")
