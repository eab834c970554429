"""Live size as an indicator: parameters, layers and floating-point operations."""

from torch import Tensor, nn

from models.indicators._autograd.evaluation import evaluation
from models.indicators.base import Indicator
from models.indicators.shared import once
from models.networks.cost import layers_with, live_operations, live_parameters


class Parameters(Indicator):
    """Number of live trainable parameters; higher is better.

    Live is what lies on a path from the input to the output (`models.networks.cost`): operations
    that a supernet's mask removes do not count, nor those that only `none` feeds or only feed
    `none`.
    """

    name = "parameters"
    higher_is_better = True
    needs = "shapes"
    shares = True

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward pass of two images. Raises ValueError as `Indicator.score`."""
        return float(sum(p.numel() for p in _live(network, images)))


class Layers(Indicator):
    """Number of linear and convolution layers with live weights; higher is better.

    The ℵ of VKDNW (arXiv 2502.04975); its code counts all parameter tensors instead.
    """

    name = "layers"
    higher_is_better = True
    needs = "shapes"
    shares = True

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward pass of two images. Raises ValueError as `Indicator.score`."""
        return float(len(layers_with(network, _live(network, images))))


class Flops(Indicator):
    """Floating-point operations of the live part for one image; higher is better.

    Twice the multiply–adds of convolutions and matrix products, as `torch.utils.flop_counter`
    counts them. It is also AZ-NAS's complexity (arXiv 2403.19232).
    """

    name = "flops"
    higher_is_better = True
    needs = "shapes"

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward pass of two images. Raises ValueError as `Indicator.score`."""
        _check(network)
        with evaluation(network, images, fast=False) as x:
            return live_operations(network, x[:2]) / 2


def _live(network: nn.Module, images: Tensor) -> set[Tensor]:
    """Return the live trainable parameters."""
    _check(network)

    def compute() -> set[Tensor]:
        with evaluation(network, images) as x:
            return live_parameters(network, x[:2])

    return once(("live parameters", network, images), compute)


def _check(network: nn.Module) -> None:
    """Raise ValueError for what has nothing to train, and so is no network to rank."""
    if not any(p.requires_grad for p in network.parameters()):
        raise ValueError(f"network ({type(network).__name__}) has no trainable parameter")
