"""SWAP: sample-wise activation patterns (Peng et al., arXiv 2403.04161)."""

import numpy as np
from torch import Tensor, nn

from models.indicators.base import Indicator
from models.indicators.relu_signs import pass_relu_signs

_BYTES = 8  # of a 64-bit word


class Swap(Indicator):
    """Ψ, the number of distinct columns of the N×V signs of all V ReLUs; higher is better.

    A column says on which of the N images a unit is active (Definition 4 of the paper); TE-NAS's
    regions count rows. At most min(2^N, V): few images tell units apart badly, many tell all of
    them apart. The paper's regularised form multiplies by a bell curve over the number of
    parameters whose centre and width are fitted to a space; it is not here.
    """

    name = "swap"
    higher_is_better = True

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward pass.

        Raises:
            ValueError: as `pass_relu_signs`.
        """
        bits: list[np.ndarray] = []
        pass_relu_signs(
            network, images, lambda signs: bits.append(np.packbits(signs.cpu().numpy(), axis=0))
        )
        columns = np.concatenate(bits, axis=1)
        columns = np.pad(columns, ((0, -len(columns) % _BYTES), (0, 0)))
        # as many columns as units, each of 64-bit words: one for up to 64 images
        patterns, *others = np.ascontiguousarray(columns.T).view(np.uint64).T
        for word in others:
            # numbers of the patterns so far stand for them: a pair of numbers is one integer
            (_, first), (_, second) = (np.unique(w, return_inverse=True) for w in (patterns, word))
            patterns = first * (second.max() + 1) + second
        return float(len(np.unique(patterns)))
