"""Per-sample gradients of Linear, convolution and normalisation layers, in closed form.

With N samples, a weight has the gradient Σ_l g_l a_lᵀ per sample: over the L positions of the
output (pixels, tokens), a_l (I) what the layer sees there and g_l (O) the gradient of its output.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, pad
from torch.nn.modules.conv import _ConvNd

_ENTRIES = 2**24  # of the largest intermediate tensor


def weight_gradients(layer: nn.Module, x: Tensor, g: Tensor) -> Iterator[Tensor]:
    """Per-sample gradients of the weight of a Linear or convolution.

    Blocks (N, groups, o, I) of the output channels of every group, in order.
    """
    G = _by_position(layer, g)
    N, groups, _, L = G.shape
    entries = groups * layer.get_parameter("weight")[0].numel()
    block = max(1, _ENTRIES // (entries * L))
    for G_c in torch.split(G, max(1, _ENTRIES // (entries * N)), dim=2):
        products = [
            G_b @ patches(layer, x_b).mT
            for x_b, G_b in zip(torch.split(x, block), torch.split(G_c, block), strict=True)
        ]
        yield torch.cat(products)


def weight_kernel(layer: nn.Module, x: Tensor, g: Tensor) -> Tensor:
    """Gram matrix of the same gradients from products between positions: (N, N), float64.

    Σ_{l,m} (g_il · g_jm)(a_il · a_jm), summed over groups: no gradient is formed.
    """
    A, G = patches(layer, x), _by_position(layer, g)
    N, groups, _, L = G.shape
    K = torch.zeros(N, N, dtype=torch.float64, device=x.device)
    rows = max(1, _ENTRIES // (N * L * L)) * L
    for group in range(groups):
        A_g, G_g = (Z[:, group].mT.flatten(0, 1).double() for Z in (A, G))
        products = [
            ((A_b @ A_g.T) * (G_b @ G_g.T)).view(-1, L, N, L).sum((1, 3))
            for A_b, G_b in zip(torch.split(A_g, rows), torch.split(G_g, rows), strict=True)
        ]
        K += torch.cat(products)
    return K


def kernel_is_cheaper(layer: nn.Module, g: Tensor) -> bool:
    """Whether `weight_kernel` costs less than forming the gradients and their Gram matrix.

    Counts products, those in float64 twice.
    """
    N, _, outputs, L = _by_position(layer, g).shape
    inputs = layer.get_parameter("weight")[0].numel()
    return 2 * N * L**2 * (inputs + outputs) < inputs * outputs * (L + 2 * N)


def bias_gradients(layer: nn.Module, g: Tensor) -> Tensor:
    """Per-sample gradients of the bias of a Linear or convolution: (N, O)."""
    return _by_position(layer, g).sum(3).flatten(1)


def batch_norm_gradients(
    name: str, x: Tensor, g: Tensor, mean: Tensor, variance: Tensor, eps: float
) -> Tensor:
    """Per-sample gradients of the weight or bias of a batch normalisation: (N, C).

    mean, variance: what x was normalised by, constants.
    """
    x, g = (z.reshape(*z.shape[:2], -1) for z in (x, g))
    if name == "bias":
        return g.sum(2)
    return (g * (x - mean[:, None])).sum(2) * (variance + eps).rsqrt()


def layer_norm_gradients(layer: nn.LayerNorm, name: str, x: Tensor, g: Tensor) -> Tensor:
    """Per-sample gradients of the weight or bias of a layer normalisation: (N, numbers)."""
    if name == "weight":
        g = g * layer_norm(x, layer.normalized_shape, eps=layer.eps)
    return g.reshape(len(g), -1, math.prod(layer.normalized_shape)).sum(1)


def patches(layer: nn.Module, x: Tensor) -> Tensor:
    """Return the input that each position of the output sees: (N, groups, I, L)."""
    if not isinstance(layer, _ConvNd):
        return x.reshape(len(x), 1, -1, x.shape[-1]).mT
    margins = layer._reversed_padding_repeated_twice
    if any(margins):
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        x = pad(x, margins, mode=mode)
    return windows(x, layer.kernel_size, layer.stride, layer.dilation, layer.groups)


def windows(
    x: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """Every window of x (N, C, …) as a column: (N, groups, I, L).

    Windows are views until the one copy at the end, much faster than nn.functional.unfold.
    """
    dims = len(kernel_size)
    for d in range(dims):
        span = dilation[d] * (kernel_size[d] - 1) + 1
        x = x.unfold(2 + d, span, stride[d])[..., :: dilation[d]]
    positions, window = range(2, 2 + dims), range(2 + dims, 2 + 2 * dims)
    L = x.shape[2 : 2 + dims].numel()
    return x.permute(0, 1, *window, *positions).reshape(len(x), groups, -1, L)


def _by_position(layer: nn.Module, g: Tensor) -> Tensor:
    """Gradient of the output as (N, groups, O, L)."""
    if isinstance(layer, _ConvNd):
        return g.reshape(len(g), layer.groups, -1, g.shape[2:].numel())
    return g.reshape(len(g), 1, -1, g.shape[-1]).mT
