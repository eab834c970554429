"""Shared steps of indicators that differentiate a network on a batch."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.indicators._autograd.checks import check_inputs, check_outputs
from models.indicators._autograd.fast_layers import fast_layers
from models.indicators._autograd.frozen_batch_norm import local_batch_norm
from models.indicators._autograd.layer_calls import uses_of_parameters
from models.indicators._autograd.untouched import exact_arithmetic, untouched

_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


@contextmanager
def evaluation(network: nn.Module, images: Tensor, fast: bool = True) -> Iterator[Tensor]:
    """Differentiate in exact arithmetic and leave the network as found; yields a copy of images.

    fast: through stand-ins for some layers, whose gradients cannot be differentiated again and
        whose operations are not those of the network.

    Raises ValueError unless `images` are two floating-point samples or more.
    """
    check_inputs(images)
    with (
        untouched(network, images.device),
        exact_arithmetic(images.device),
        torch.inference_mode(False),
        torch.enable_grad(),
        local_batch_norm(network),
        fast_layers(network, images.device) if fast else nullcontext(),
    ):
        yield images.detach().clone()


def logits_of(network: nn.Module, images: Tensor) -> Tensor:
    """Logits (N, C). Raises ValueError unless they are, and depend on a trainable parameter."""
    outputs: Tensor = network(images)
    check_outputs(outputs, len(images))
    return outputs


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy. Raises ValueError unless labels are classes, int64 (N,)."""
    N, classes = logits.shape
    if labels.shape != (N,) or labels.dtype != torch.int64:
        raise ValueError(
            f"labels must be int64 of shape ({N},), given {labels.dtype} {tuple(labels.shape)}"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"labels must lie in 0…{classes - 1}, given {int(labels.min())}…{int(labels.max())}"
        )
    # a clone: labels made in inference mode cannot be saved for the backward pass
    return functional.cross_entropy(logits, labels.clone())


def weighted_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Linear and convolution layers, by name: those whose weights pruning criteria rank.

    Raises ValueError, by name, for a layer whose weight is computed from other parameters.
    """
    layers: dict[str, nn.Module] = {
        name: m for name, m in network.named_modules() if isinstance(m, _WEIGHTED)
    }
    for name, layer in layers.items():
        if not isinstance(layer._parameters.get("weight"), nn.Parameter):
            raise ValueError(
                f"network's layer {name or type(layer).__name__} has a weight that is no parameter "
                "(weight_norm, spectral_norm, prune): remove the parametrisation before scoring"
            )
    return layers


def layer_weights(network: nn.Module) -> list[Tensor]:
    """Trainable weights, without biases, of the `weighted_layers`; a shared one once.

    Raises ValueError if there is none.
    """
    weights = [layer.get_parameter("weight") for layer in weighted_layers(network).values()]
    trainable: list[Tensor] = [w for w in dict.fromkeys(weights) if w.requires_grad]
    if not trainable:
        raise ValueError("network has no trainable weight of a linear or convolution layer")
    return trainable


def used_gradients(
    output: Tensor, weights: Sequence[Tensor], create_graph: bool = False
) -> list[tuple[Tensor, Tensor]]:
    """(weight, gradient) of the weights that a scalar output depends on.

    Raises ValueError if it depends on none of them, or all gradients are 0.
    """
    gradients = torch.autograd.grad(output, weights, allow_unused=True, create_graph=create_graph)
    used = [(w, g) for w, g in zip(weights, gradients, strict=True) if g is not None]
    if not any(g.any() for _, g in used):
        raise ValueError("network passes no gradient to any linear or convolution layer")
    return used


def used_parameters(outputs: Tensor) -> set[Tensor]:
    """The trainable parameters that `outputs` depend on, be it with a gradient of zero."""
    _, parameters = uses_of_parameters(outputs, ())
    return parameters


def finite(score: float | Tensor, name: str) -> float:
    """The score as a number. Raises FloatingPointError if it is not finite."""
    value = float(score)
    if not math.isfinite(value):
        raise FloatingPointError(f"{name} is not finite ({value}): the network over- or underflows")
    return value
