"""Pooling and convolution as matrix products: the same values, to rounding.

On a CPU, with the few channels of a supernet, they take a fraction of the time of torch's own
layers, forward and backward.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad

from models.indicators._autograd.forwards import has_forward_of, replaced_forwards
from models.indicators._autograd.layer_gradients import patches, windows

_WIDEST = 64  # pixels: a product with a dense matrix costs in proportion
_CHANNELS = 2  # with more, torch's convolutions of several pixels are as fast
_PIXELS = 2**16  # of a batch: below, torch's 1×1 convolution takes no time to speak of
_ENTRIES = 2**22  # of the windows that a convolution keeps for its backward pass


@contextmanager
def fast_layers(network: nn.Module, device: torch.device, batched: bool = False) -> Iterator[None]:
    """Let the layers of `network` that it pays for compute by matrix products.

    None where backward passes will be `batched` (`is_grads_batched`): these lack rules for them.
    """
    forwards: dict[nn.Module, Callable[[Tensor], Tensor]] = {}
    for module in network.modules() if device.type == "cpu" and not batched else ():
        if isinstance(module, nn.AvgPool2d):
            if has_forward_of(module, nn.AvgPool2d) and module.divisor_override is None:
                forwards[module] = partial(_average_pool, module)
        elif isinstance(module, nn.Conv2d) and _is_small(module):
            forwards[module] = partial(_convolve, module)
    with replaced_forwards(forwards):
        yield


def _is_small(layer: nn.Conv2d) -> bool:
    return (
        has_forward_of(layer, nn.Conv2d)
        and type(layer)._conv_forward is nn.Conv2d._conv_forward
        and layer.padding_mode == "zeros"
        and isinstance(layer.padding, tuple)
        and (layer.in_channels <= _CHANNELS or _is_pointwise(layer))
    )


def _is_pointwise(layer: nn.Conv2d) -> bool:
    return (
        layer.kernel_size == layer.stride == (1, 1) and layer.groups == 1 and not any(layer.padding)
    )


def _average_pool(layer: nn.AvgPool2d, x: Tensor) -> Tensor:
    """Qᵀ x P: rows and columns are averaged apart, their counts multiply."""
    if x.ndim != 4 or max(x.shape[2:]) > _WIDEST:
        return nn.AvgPool2d.forward(layer, x)
    sizes, strides, margins = (_pair(v) for v in (layer.kernel_size, layer.stride, layer.padding))
    rules = (layer.ceil_mode, layer.count_include_pad, x.dtype, x.device)
    Q, P = (
        _averages(*own, *rules) for own in zip(x.shape[2:], sizes, strides, margins, strict=True)
    )
    return Q.T @ (x @ P)


@lru_cache(maxsize=64)
def _averages(
    pixels: int,
    size: int,
    stride: int,
    margin: int,
    ceil_mode: bool,
    count_include_pad: bool,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    """(pixels, windows): what each pixel of a row adds to the mean of each window."""
    with torch.inference_mode(False):  # or a backward pass could not use it later
        row = torch.eye(pixels, dtype=dtype, device=device)[None]
        means = avg_pool2d(row, (1, size), (1, stride), (0, margin), ceil_mode, count_include_pad)
    return means[0]


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _convolve(layer: nn.Conv2d, x: Tensor) -> Tensor:
    window = math.prod(layer.kernel_size)
    small = x.numel() * window <= _ENTRIES if window > 1 else x.numel() >= _PIXELS
    if x.ndim != 4 or not small:
        return nn.Conv2d.forward(layer, x)
    y: Tensor = _Convolution.apply(x, layer.weight, layer)
    return y if layer.bias is None else y + layer.bias[:, None, None]


class _Convolution(torch.autograd.Function):
    """The kernel W times every window of x: a product per sample and group."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, W: Tensor, layer: nn.Conv2d) -> Tensor:
        A = patches(layer, x)
        ctx.save_for_backward(A, W)
        ctx.layer, ctx.pixels = layer, x.shape[2:]
        sizes = [
            (x.shape[2 + d] + 2 * int(layer.padding[d]) - _reach(layer, d) - 1) // layer.stride[d]
            + 1
            for d in (0, 1)
        ]
        return _product(W.reshape(layer.groups, -1, A.shape[2]), A, sizes)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        A, W = ctx.saved_tensors
        layer, g = ctx.layer, gradients[0]
        needs_x, needs_W, _ = ctx.needs_input_grad
        return (
            _transposed(layer, W, g, ctx.pixels) if needs_x else None,
            (g.reshape(*A.shape[:2], -1, A.shape[3]) @ A.mT).sum(0).view_as(W) if needs_W else None,
            None,
        )


def _transposed(layer: nn.Conv2d, W: Tensor, g: Tensor, pixels: torch.Size) -> Tensor:
    """Gradient of the input (N, C, *pixels): the flipped kernel times every window of g."""
    spread = g
    if max(layer.stride) > 1:
        sizes = [(size - 1) * s + 1 for size, s in zip(g.shape[2:], layer.stride, strict=True)]
        spread = g.new_zeros(*g.shape[:2], *sizes)
        spread[..., :: layer.stride[0], :: layer.stride[1]] = g
    margins: list[int] = []
    for d in (1, 0):  # innermost first
        reach = _reach(layer, d)
        before = reach - int(layer.padding[d])
        margins += [before, pixels[d] + reach - before - spread.shape[2 + d]]
    if any(margins):
        spread = pad(spread, margins)
    G = windows(spread, layer.kernel_size, (1, 1), layer.dilation, layer.groups)
    flipped = W.reshape(layer.groups, -1, *W.shape[1:]).flip(3, 4).transpose(1, 2)
    return _product(flipped.flatten(2), G, pixels)


def _reach(layer: nn.Conv2d, d: int) -> int:
    """Pixels from the first to the last of a window."""
    return layer.dilation[d] * (layer.kernel_size[d] - 1)


def _product(W: Tensor, A: Tensor, pixels: Sequence[int]) -> Tensor:
    """W (groups, O, I) times A (N, groups, I, L): maps (N, channels, *pixels)."""
    N, groups, _, L = A.shape
    y = A.new_empty(N, groups * W.shape[1], *pixels)  # no view: a ReLU may work in place on it
    kernels = W.expand(N, -1, -1, -1).reshape(N * groups, *W.shape[1:])
    torch.bmm(kernels, A.flatten(0, 1), out=y.view(N * groups, -1, L))
    return y
