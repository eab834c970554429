"""Condition number of the neural tangent kernel as an indicator (TE-NAS, arXiv 2102.11535)."""

from typing import Literal

from torch import Tensor, nn

from models.indicators.base import Indicator
from models.indicators.ntk import Output, empirical_ntk, ntk_spectrum


class NTKConditionNumber(Indicator):
    """κ = λ_max / λ_min of the empirical NTK; lower is better.

    Infinite for a singular kernel, so that it sorts last; never negative.

    Args:
        batch_norm: see `empirical_ntk`: `frozen` costs one backward pass, `coupled` one per image
            and is what TE-NAS measures. Two quantities of different size.
        parameters: `all` or `weights`, as there.
        output: `sum` or `trace`, as there.
    """

    name = "ntk_condition_number"
    higher_is_better = False

    def __init__(
        self,
        batch_norm: Literal["frozen", "coupled"] = "frozen",
        parameters: Literal["all", "weights"] = "all",
        output: Output = "sum",
    ) -> None:
        self.batch_norm = batch_norm
        self.parameters = parameters
        self.output = output

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """κ of a network on N images.

        Raises:
            ValueError: as `empirical_ntk`.
            FloatingPointError: the kernel is not finite.
        """
        kernel = empirical_ntk(network, images, self.batch_norm, self.parameters, self.output)
        return ntk_spectrum(kernel).condition_number
