"""What several indicators need of one network, computed once."""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")


class Shared:
    """What was computed so far, by key."""

    def __init__(self) -> None:
        self.saved = 0.0
        """Seconds that those who asked again would have taken."""
        self._kept: dict[Hashable, tuple[Any, float]] = {}

    def once(self, key: Hashable, compute: Callable[[], T], anew: bool) -> T:
        """As the function of this name."""
        if key in self._kept and not anew:
            value, seconds = self._kept[key]
            self.saved += seconds
            return value  # type: ignore[no-any-return]
        start, saved = time.perf_counter(), self.saved
        value = compute()
        self._kept[key] = value, time.perf_counter() - start + self.saved - saved
        return value


_current: ContextVar[Shared | None] = ContextVar("shared", default=None)


@contextmanager
def shared() -> Iterator[Shared]:
    """A block in which indicators share what they compute of the same network and images.

    The caller sees to it that neither is changed meanwhile, and that the random state is the same
    before each indicator.
    """
    found = Shared()
    token = _current.set(found)
    try:
        yield found
    finally:
        _current.reset(token)


def once(key: Hashable, compute: Callable[[], T], anew: bool = False) -> T:
    """Compute what `key` names; within `shared` the first time only.

    key: names all that the value depends on: a word for what it is, the network and the images.
    anew: compute it even so, and let others have it.
    """
    current = _current.get()
    return compute() if current is None else current.once(key, compute, anew)
