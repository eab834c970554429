"""Gram matrix of the gradients of many samples from one backward pass.

Valid for parameters that act through plain layers only (`_layer_calls`), on a network that treats
its samples independently. What is not known to be so is left to the caller.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.indicators._autograd.checks import check_repeats, same_to_rounding
from models.indicators._autograd.frozen_batch_norm import FrozenBatchNorm
from models.indicators._autograd.gram import Gram
from models.indicators._autograd.layer_calls import (
    Call,
    per_sample_calls,
    recorded_calls,
    uses_of_parameters,
)
from models.indicators._autograd.layer_gradients import (
    batch_norm_gradients,
    bias_gradients,
    kernel_is_cheaper,
    layer_norm_gradients,
    weight_gradients,
    weight_kernel,
)

Statistics = Callable[[_BatchNorm, int], tuple[Tensor, Tensor]]


def add_per_sample(
    gram: Gram,
    outputs: Tensor,
    targets: Sequence[Tensor],
    theta: Sequence[Tensor],
    calls: Sequence[Call],
    statistics: Statistics,
) -> list[Tensor]:
    """Add the share of the parameters that only `calls` use; return the parameters left over.

    targets: functions F (N) of the outputs, each with a kernel of its own. statistics: mean and
    variance that the n-th call of a batch normalisation took for constants.
    """
    through, otherwise = uses_of_parameters(outputs, calls)
    covered = [through[p] for p in theta if p in through and p not in otherwise]
    needed = list(dict.fromkeys(call for uses in covered for call, _ in uses))
    edges = [call.output for call in needed if call.output is not None]
    for F in targets if needed else ():
        gradients = torch.autograd.grad(F.sum(), edges, retain_graph=True, allow_unused=True)
        g = dict(zip(needed, gradients, strict=True))
        for uses in covered:
            _add(gram, [(c, name, d) for c, name in uses if (d := g[c]) is not None], statistics)
    return [p for p in theta if p in otherwise]


def independent_calls(
    network: nn.Module,
    inputs: Tensor,
    outputs: Tensor,
    calls: Sequence[Call],
    layers: Sequence[nn.Module],
    frozen: FrozenBatchNorm,
) -> list[Call]:
    """The `calls` of `layers` by the forward of `inputs` that treat its samples one by one.

    None if the outputs of some samples depend on the others. Found out by a forward of three
    samples: odd, and not neighbours, so that no pairing of samples goes unnoticed.

    Raises ValueError if the network is not deterministic.
    """
    N = len(inputs)
    with torch.no_grad():
        if N > 3:
            rows = torch.tensor([0, 1, N - 1], device=inputs.device)
            frozen.replay()
            with recorded_calls(layers) as part:
                few = _forward_if_possible(network, inputs[rows])
            if few is not None and same_to_rounding(outputs[rows], few):
                return per_sample_calls(calls, part, rows, N)
        frozen.replay()
        check_repeats(network, inputs, outputs)
    return []


def _forward_if_possible(network: nn.Module, inputs: Tensor) -> Tensor | None:
    """Outputs, or None where the network insists on another number of samples."""
    try:
        outputs: Tensor = network(inputs)
    except (torch.OutOfMemoryError, torch.AcceleratorError):
        raise  # RuntimeErrors of the device, not of the network
    except RuntimeError:
        return None
    return outputs if len(outputs) == len(inputs) else None


def _add(gram: Gram, uses: list[tuple[Call, str, Tensor]], statistics: Statistics) -> None:
    """Add the kernel of one parameter, given the gradients g at the outputs that it acts on."""
    match uses:
        case []:
            return
        case [(call, "weight", g)] if not isinstance(call.layer, _BatchNorm | nn.LayerNorm):
            if kernel_is_cheaper(call.layer, g):
                gram.add_kernel(weight_kernel(call.layer, call.x, g))
            else:
                for block in weight_gradients(call.layer, call.x, g):
                    gram.add_columns(block.flatten(1))
        case [use]:
            gram.add_columns(_gradients(*use, statistics))
        case _:
            gram.add_columns(torch.stack([_gradients(*use, statistics) for use in uses]).sum(0))


def _gradients(call: Call, name: str, g: Tensor, statistics: Statistics) -> Tensor:
    """Per-sample gradients (N, p) of one parameter through one call."""
    layer = call.layer
    if isinstance(layer, _BatchNorm):
        mean, variance = statistics(layer, call.index)
        return batch_norm_gradients(name, call.x, g, mean, variance, layer.eps)
    if isinstance(layer, nn.LayerNorm):
        return layer_norm_gradients(layer, name, call.x, g)
    if name == "bias":
        return bias_gradients(layer, g)
    return torch.cat(list(weight_gradients(layer, call.x, g)), dim=2).flatten(1)
