"""Independent random streams, each a pure function of the integers that name it."""

from enum import IntEnum

import numpy as np
import torch


class Stream(IntEnum):
    """Purpose of a random stream. Streams of one seed are independent of each other."""

    SPLIT = 0
    ORDER = 1
    AUGMENTATION = 2
    PROBE = 3


def generator(seed: int, stream: Stream, *key: int) -> torch.Generator:
    """Return a CPU generator that is a pure function of `(seed, stream, *key)`.

    The global random state is neither read nor changed.
    """
    state = np.random.SeedSequence([seed, int(stream), *key]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))
