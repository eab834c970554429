"""VKDNW: how even the spectrum of the Fisher information is (Týbl & Neumann, arXiv 2502.04975)."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn.functional import pad
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from models.indicators._autograd.evaluation import (
    evaluation,
    finite,
    logits_of,
    used_parameters,
    weighted_layers,
)
from models.indicators.base import Indicator

_SMOOTHING = 0.05
_DECILES = torch.arange(1, 10, dtype=torch.float64) / 10


class VKDNW(Indicator):
    """Number of weight layers plus the entropy of the Fisher spectrum's deciles; higher is better.

    The entropy, in [0, log 9], is that of the nine deciles of the eigenvalues, scaled to sum 1.
    The Fisher information F = mean_n J_nᵀ (diag p_n − p_n p_nᵀ) J_n is that of the predicted
    classes p over the N images. As in the paper's code, J is by the first entry of every parameter
    tensor alone, the network is in evaluation mode (batch normalisations use their running
    statistics, in a new network 0 and 1) and p is mixed with 5 % of uniform probability. Layers are
    counted as in the paper; its code counts parameter tensors.

    It is defined on He's fan-in weights and N(0, 1) noise, as the paper's code has it: batch
    normalisations in evaluation mode do not rescale, so that the scale of the weights matters.
    Departures from that code: F is by the factors Lᵀ·J of the covariance of each image's
    prediction (the code multiplies L·J), and J takes in all parameter tensors (the code stops
    after 128).

    Args:
        add_layers: the paper's VKDNW_single; without, the entropy alone, VKDNW.
    """

    name = "vkdnw"
    higher_is_better = True
    initialisation = "fan_in"
    inputs = "noise"

    def __init__(self, add_layers: bool = True) -> None:
        self.add_layers = add_layers

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward and C − 1 backward passes for C classes.

        Raises:
            ValueError: as `Indicator.score`, for a parameter in use that belongs to another kind of
                layer than linear, convolution and batch normalisation, and if F is 0.
            FloatingPointError: F is not finite.
        """
        with evaluation(network, images) as x:
            network.eval()
            layers = weighted_layers(network).values()
            with _recorded(network) as calls:
                logits = logits_of(network, x)
            used = used_parameters(logits)
            J = _first_entries(network, logits, calls, used)
        F = _fisher(J, logits.detach().double())
        if not torch.isfinite(F).all():
            raise FloatingPointError("Fisher information is not finite")
        deciles = torch.quantile(torch.linalg.eigvalsh(F).clamp(min=0), _DECILES.to(F.device))
        if deciles.sum() == 0:
            raise ValueError("network's Fisher information is 0 in nine of ten directions or more")
        entropy = torch.special.entr(deciles / deciles.sum()).sum()
        count = sum(layer.get_parameter("weight") in used for layer in layers)
        return finite(entropy + (count if self.add_layers else 0), self.name)


class _Call(NamedTuple):
    layer: nn.Module
    x: Tensor
    output: GradientEdge


@contextmanager
def _recorded(network: nn.Module) -> Iterator[list[_Call]]:
    """The calls of layers that J is known for, as they happen."""
    calls: list[_Call] = []

    def record(layer: nn.Module, args: tuple[Tensor, ...], y: Tensor) -> None:
        if y.requires_grad:
            # an edge, as y may be changed in place
            calls.append(_Call(layer, args[0].detach(), get_gradient_edge(y)))

    with ExitStack() as hooks:
        for layer in network.modules():
            if isinstance(layer, nn.Linear | _ConvNd | _BatchNorm):
                hooks.callback(layer.register_forward_hook(record, prepend=True).remove)
        yield calls


def _first_entries(
    network: nn.Module, logits: Tensor, calls: list[_Call], used: set[Tensor]
) -> Tensor:
    """Per-sample Jacobian by the first entry of each used parameter: (N, C, S).

    Of the logits less the last one: F depends on nothing else, and that saves a backward pass.
    """
    columns = {p: i for i, p in enumerate(p for p in network.parameters() if p in used)}
    known = {
        p
        for call in calls
        for name, p in call.layer.named_parameters(recurse=False)
        if name in ("weight", "bias")
    }
    for name, p in network.named_parameters():
        if p in used and p not in known:
            raise ValueError(
                f"VKDNW knows no derivative by {name}: not of a linear, convolution or batch "
                "normalisation layer; NTKConditionNumber knows all"
            )
    N, classes = logits.shape
    J = torch.zeros(N, classes, len(columns), dtype=torch.float64, device=logits.device)
    factors = [_factors(call) for call in calls]
    targets = logits - logits[:, -1:]
    for c in range(classes - 1):
        gradients = torch.autograd.grad(
            targets[:, c].sum(),
            [call.output for call in calls],
            retain_graph=True,
            allow_unused=True,
        )
        for call, (channel, x), g in zip(calls, factors, gradients, strict=True):
            if g is None:
                continue
            g = g.select(channel, 0).reshape(N, -1)
            for name, p in call.layer.named_parameters(recurse=False):
                if p in columns:
                    J[:, c, columns[p]] += (g * x if name == "weight" else g).sum(1)
    return J


def _factors(call: _Call) -> tuple[int, Tensor]:
    """Where channels are in a layer's output, and what its first weight multiplies: (N, …)."""
    layer, x = call.layer, call.x
    if isinstance(layer, nn.Linear):
        return -1, x[..., 0].reshape(len(x), -1)
    x = x[:, 0]
    if isinstance(layer, _BatchNorm):
        assert layer.running_mean is not None
        assert layer.running_var is not None
        scale = (layer.running_var[0] + layer.eps).rsqrt()
        return 1, ((x - layer.running_mean[0]) * scale).reshape(len(x), -1)
    assert isinstance(layer, _ConvNd)
    if any(layer._reversed_padding_repeated_twice):
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        x = pad(x[:, None], layer._reversed_padding_repeated_twice, mode=mode)[:, 0]
    for d, kernel in enumerate(layer.kernel_size):
        last = x.shape[1 + d] - layer.dilation[d] * (kernel - 1)
        x = x[(slice(None),) * (1 + d) + (slice(0, last, layer.stride[d]),)]
    return 1, x.reshape(len(x), -1)


def _fisher(J: Tensor, logits: Tensor) -> Tensor:
    """mean_n J_nᵀ Cov_n J_n, (S, S), for the covariance of a class drawn by the logits."""
    p = (1 - _SMOOTHING) * logits.softmax(1) + _SMOOTHING / logits.shape[1]
    centred = J - (p[..., None] * J).sum(1, keepdim=True)
    rows = (p.sqrt()[..., None] * centred).flatten(0, 1)
    return rows.T @ rows / len(J)
