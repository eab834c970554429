"""Size as an indicator: parameters, layers and operations that a network uses."""

from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from models.indicators._autograd.evaluation import (
    evaluation,
    logits_of,
    used_parameters,
    weighted_layers,
)
from models.indicators.base import Indicator
from models.indicators.shared import once


class Parameters(Indicator):
    """Number of trainable parameters that the logits depend on; higher is better.

    Those of operations that a supernet's mask removes do not count.
    """

    name = "parameters"
    higher_is_better = True
    shares = True

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward pass of two images. Raises ValueError as `Indicator.score`."""
        return float(sum(p.numel() for p in _used(network, images)))


class Layers(Indicator):
    """Number of linear and convolution layers whose weights the logits depend on; higher is better.

    The ℵ of VKDNW (arXiv 2502.04975); its code counts all parameter tensors instead.
    """

    name = "layers"
    higher_is_better = True
    shares = True

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward pass of two images. Raises ValueError as `Indicator.score`."""
        used = _used(network, images)
        layers = weighted_layers(network).values()
        return float(sum(layer.get_parameter("weight") in used for layer in layers))


class Flops(Indicator):
    """Floating-point operations of the forward pass of one image; higher is better.

    A multiplication and its addition are two. Convolutions and matrix products count, as
    `torch.utils.flop_counter` does. It is also AZ-NAS's complexity (arXiv 2403.19232).
    """

    name = "flops"
    higher_is_better = True

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward pass of two images. Raises ValueError as `Indicator.score`."""
        with (
            evaluation(network, images, fast=False) as x,
            FlopCounterMode(display=False) as counter,
        ):
            logits_of(network, x[:2])
        return float(counter.get_total_flops() / 2)


def _used(network: nn.Module, images: Tensor) -> set[Tensor]:
    """The trainable parameters that the logits depend on."""

    def compute() -> set[Tensor]:
        with evaluation(network, images) as x:
            return used_parameters(logits_of(network, x[:2]))

    return once(("used parameters", network, images), compute)
