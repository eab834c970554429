"""Pooling and 1×1 convolution as matrix products: the same values, to rounding.

On a CPU, with the few channels of a supernet, they take a fifth of the time of torch's own layers
or less, forward and backward.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from models.indicators._forwards import has_forward_of, replaced_forwards

_WIDEST = 64  # pixels: a product with a dense matrix costs in proportion


@contextmanager
def fast_layers(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Let the layers of `network` that it pays for compute by matrix products."""
    forwards: dict[nn.Module, Callable[[Tensor], Tensor]] = {}
    for module in network.modules() if device.type == "cpu" else ():
        if isinstance(module, nn.AvgPool2d):
            if has_forward_of(module, nn.AvgPool2d) and module.divisor_override is None:
                forwards[module] = partial(_average_pool, module)
        elif isinstance(module, nn.Conv2d) and _is_pointwise(module):
            forwards[module] = partial(_pointwise, module)
    with replaced_forwards(forwards):
        yield


def _is_pointwise(layer: nn.Conv2d) -> bool:
    return (
        has_forward_of(layer, nn.Conv2d)
        and type(layer)._conv_forward is nn.Conv2d._conv_forward
        and layer.kernel_size == (1, 1) == layer.stride
        and layer.groups == 1
        and not any(layer._reversed_padding_repeated_twice)
    )


def _average_pool(layer: nn.AvgPool2d, x: Tensor) -> Tensor:
    """Qᵀ x P: rows and columns are averaged apart, their counts multiply."""
    if x.ndim != 4 or max(x.shape[2:]) > _WIDEST:
        return nn.AvgPool2d.forward(layer, x)
    sizes, strides, margins = (_pair(v) for v in (layer.kernel_size, layer.stride, layer.padding))
    Q, P = (
        avg_pool2d(
            torch.eye(pixels, dtype=x.dtype, device=x.device)[None],
            (1, size),
            (1, stride),
            (0, margin),
            layer.ceil_mode,
            layer.count_include_pad,
        )[0]
        for pixels, size, stride, margin in zip(x.shape[2:], sizes, strides, margins, strict=True)
    )
    return Q.T @ (x @ P)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _pointwise(layer: nn.Conv2d, x: Tensor) -> Tensor:
    if x.ndim != 4:
        return nn.Conv2d.forward(layer, x)
    y: Tensor = _Pointwise.apply(x, layer.weight.flatten(1))
    return y if layer.bias is None else y + layer.bias[:, None, None]


class _Pointwise(torch.autograd.Function):
    """W (O, I) times every pixel of x (N, I, H, W): a product per sample, forward and backward.

    Left to itself, autograd would fold the batch into one product and copy.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, W: Tensor) -> Tensor:
        ctx.save_for_backward(x, W)
        y = x.new_empty(len(x), len(W), *x.shape[2:])
        torch.bmm(W.expand(len(x), -1, -1), x.flatten(2), out=y.flatten(2))
        return y  # no view: a ReLU may work in place on it

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, W = ctx.saved_tensors
        needs_x, needs_W = ctx.needs_input_grad
        # reshape, unlike flatten, is known to batched backward passes
        g = gradients[0].reshape(len(x), len(W), -1)
        return (
            W.T.expand(len(x), -1, -1).bmm(g).reshape(x.shape) if needs_x else None,
            g.bmm(x.flatten(2).mT).sum(0) if needs_W else None,
        )
