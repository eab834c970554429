"""NASWOT as an indicator (Mellor et al., arXiv 2006.04647)."""

from torch import Tensor, nn

from models.indicators.activation_overlap import activation_overlap
from models.indicators.base import Indicator


class ActivationOverlap(Indicator):
    """log|det K|, K_ij the number of ReLUs that images i and j agree on; higher is better.

    −∞ where two images cannot be told apart, so that it sorts last.
    """

    name = "activation_overlap"
    higher_is_better = True

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward pass.

        Raises:
            ValueError: as `activation_overlap`.
        """
        return activation_overlap(network, images)
