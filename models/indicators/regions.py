"""Number of linear regions as an indicator (TE-NAS, arXiv 2102.11535)."""

from torch import Tensor, nn

from models.indicators.base import Indicator
from models.indicators.linear_regions import linear_regions


class LinearRegions(Indicator):
    """Distinct ReLU sign patterns over a set of small crops; higher is better.

    Scores the space's thin network (`region_network`), not the one that sees images.
    """

    name = "linear_regions"
    higher_is_better = True
    proxy = "regions"

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """The number of regions that the crops fall into, at most their number.

        Raises:
            ValueError: as `linear_regions`.
        """
        return float(linear_regions(network, images))
