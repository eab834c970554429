"""Number of linear regions of a ReLU network that a set of samples falls into."""

import numpy as np
from torch import Tensor, nn

from models.indicators.relu_signs import pass_relu_signs


def linear_regions(network: nn.Module, inputs: Tensor) -> int:
    """Number of distinct sign patterns of all `nn.ReLU`s over N inputs: 1 to N, higher is better.

    TE-NAS (arXiv 2102.11535, section 3.1.2) takes 3,000 small random images. Exact: patterns are
    compared bit by bit. The network is evaluated in the mode that it is in, and left as it was
    found.

    Raises ValueError for fewer than two inputs or integer ones, or if no `nn.ReLU` is called.
    """
    packed: list[np.ndarray] = []

    def pack(signs: Tensor) -> None:
        packed.append(np.packbits(signs.cpu().numpy(), axis=1))

    pass_relu_signs(network, inputs, pack, distinct=True)
    rows = np.concatenate(packed, axis=1)
    return len({row.tobytes() for row in rows})
