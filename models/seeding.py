"""Random streams by name: each a pure function of (seed, stream, key)."""

import hashlib

import numpy as np
import torch

_NUMBERED = (
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
)
"""Streams whose number is their place, so that they draw what they always did."""


def derive_seed(seed: int, stream: str, *key: int) -> int:
    """A seed for one unit of work: a pure function of what names it; any name is a stream."""
    number = (
        _NUMBERED.index(stream)
        if stream in _NUMBERED
        else int.from_bytes(hashlib.sha256(stream.encode()).digest()[:8])
    )
    entropy = [seed, number, *key]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator(seed: int, stream: str, *key: int) -> torch.Generator:
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
