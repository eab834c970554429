"""Quantities that several indicators need of one network, computed once."""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, cast

import torch

T = TypeVar("T")


class Shared:
    """Values computed of one network on one batch, and the time they took."""

    def __init__(self) -> None:
        self.saved = 0.0
        """Seconds that those who asked again would have taken."""
        self._kept: dict[Hashable, tuple[Any, float]] = {}

    @contextmanager
    def opened(self) -> Iterator[None]:
        """A block in which `once` and `offer` look here.

        The caller sees to it that in all such blocks networks and images are the same, and that
        the random state is the same at their beginnings.
        """
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[Shared | None] = ContextVar("shared", default=None)


def once(key: Hashable, compute: Callable[[], T]) -> T:
    """Compute what `key` names; where something is shared, the first time only.

    key: names all that the value depends on: a word for what it is, the network and the images.
    """
    shared = _current.get()
    if shared is not None and key in shared._kept:
        value, seconds = shared._kept[key]
        shared.saved += seconds
        return cast(T, value)
    return offer(key, compute, lambda value: value)


def offer(key: Hashable, compute: Callable[[], T], kept: Callable[[T], object]) -> T:
    """Compute it in any case, and let others have what `kept` makes of it."""
    shared = _current.get()
    if shared is None:
        return compute()
    start, saved = _now(), shared.saved
    value = compute()
    shared._kept[key] = kept(value), _now() - start + shared.saved - saved
    return value


def _now() -> float:
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
    return time.perf_counter()
