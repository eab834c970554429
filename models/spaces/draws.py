"""Uniform draws from what a space offers."""

from collections.abc import Sequence
from typing import TypeVar

import torch

T = TypeVar("T")


def pick(values: Sequence[T], generator: torch.Generator) -> T:
    """Draw one of the values uniformly; only the generator's state advances."""
    return values[int(torch.randint(len(values), (1,), generator=generator))]


def pick_other(values: Sequence[T], than: T, generator: torch.Generator) -> T:
    """Draw one of the values but `than`, uniformly."""
    return pick([value for value in values if value != than], generator)
