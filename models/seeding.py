"""Random streams by name: each a pure function of (seed, stream, key)."""

from typing import Literal, get_args

import numpy as np
import torch

Stream = Literal[
    "images",
    "crops",
    "weights",
    "regions",
    "evaluation",
    "sample",
    "path",
    "validation",
    "drop_path",
    "noise",
]
_STREAMS: tuple[Stream, ...] = get_args(Stream)
"""A stream's number is its place: new ones come last."""


def derive_seed(seed: int, stream: Stream, *key: int) -> int:
    """A seed for one unit of work: a pure function of what names it."""
    entropy = [seed, _STREAMS.index(stream), *key]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator(seed: int, stream: Stream, *key: int) -> torch.Generator:
    """A CPU generator for one unit of work."""
    return torch.Generator().manual_seed(derive_seed(seed, stream, *key))


def seed_global(device: torch.device, seed: int) -> None:
    """Seed what modules draw from: as `torch.manual_seed`, which looks for devices for a while.

    Args:
        device: seeded beside the CPU.
        seed: any integer.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
