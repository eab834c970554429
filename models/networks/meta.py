"""Networks without values, for what only shapes decide."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a network on the meta device, or on the CPU where its constructor reads values.

    The global random state is left as it was.
    """
    try:
        with torch.device("meta"):
            return build()
    except (RuntimeError, NotImplementedError):
        with torch.random.fork_rng([]):
            return build()


_HANDED_ON = (nn.ReLU.forward, nn.Hardtanh.forward, nn.BatchNorm2d.forward)
"""ReLU6 has that of Hardtanh, BatchNorm of any dimension the one, a synchronised one its own."""


@contextmanager
def shapes_only(network: nn.Module) -> Iterator[None]:
    """Let batch normalisation and ReLU hand on their input: same shape, same graph of gradients.

    On the meta device torch composes them of a dozen operations in Python each, which take most of
    the time of a forward pass.
    """
    replaced: list[nn.Module] = []
    for module in network.modules():
        own = type(module).forward
        if "forward" in vars(module) or own not in _HANDED_ON:
            continue
        module.forward = partial(_hand_on, module)
        replaced.append(module)
    try:
        yield
    finally:
        for module in replaced:
            del module.forward


def _hand_on(module: nn.Module, x: Tensor) -> Tensor:
    features = getattr(module, "num_features", None)
    if features is not None and (x.ndim < 2 or x.shape[1] != features):
        raise RuntimeError(f"{module} got an input of shape {tuple(x.shape)}")
    handed_on: Tensor = _Dependence.apply(x, *module.parameters(recurse=False))
    return handed_on


class _Dependence(torch.autograd.Function):
    """The first input, as something that depends on all of them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *parameters: Tensor) -> Tensor:
        """`x`, whatever else is given; no view, as what comes next may work in place."""
        return x.clone()
