"""NASWOT's score at its published setting, against the way of the released code."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from _measure import Bench, Pair, Result, main
from torch import Tensor, nn

from models.indicators import activation_overlap
from models.spaces import NasBench201Space

CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"


def two_products(network: nn.Module, images: Tensor) -> float:
    """Agreements of active and of inactive units counted apart, after a backward pass.

    The pass tells which layers take part; the counting needs another forward.
    """
    used: set[nn.Module] = set()
    K = np.zeros((len(images), len(images)))

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        nonlocal K
        if layer in used:
            x = (inputs[0].flatten(1) > 0).float()
            K += (x @ x.T).cpu().numpy() + ((1 - x) @ (1 - x).T).cpu().numpy()

    hooks = []
    for layer in network.modules():
        if isinstance(layer, nn.ReLU):
            hooks.append(layer.register_forward_hook(count))
            hooks.append(layer.register_full_backward_hook(lambda layer, *_: used.add(layer)))
    images = images.clone().requires_grad_()
    network.zero_grad()
    logits = network(images)
    logits.backward(torch.ones_like(logits))
    network(images.detach())
    for hook in hooks:
        hook.remove()
    _, logdet = np.linalg.slogdet(K)
    return float(logdet)


def same(ours: float, naive: float) -> bool:
    """Equal but for units so near zero that rounding decides their sign.

    A GPU takes other kernels for the pass that keeps a graph. All in float64 instead of float32
    moves the score by 1.6·10⁻⁸ of it; leaving out one of its 65 ReLUs, by 5·10⁻⁴ or more.
    """
    return math.isclose(ours, naive, rel_tol=1e-6)


def measure(bench: Bench) -> Iterator[Result]:
    """A network of NAS-Bench-201, C = 16 and N = 5, batch 128."""
    channels, cells = bench.pick((16, 5), (2, 1))
    sizes = bench.pick((16, 32, 64, 128), (2, 4))
    space = NasBench201Space()
    network = space.network(space.parse(CELL), channels=channels, cells_per_stage=cells)
    network.to(bench.device)

    def prepare(batch: int) -> Pair:
        images = torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        images = images.to(bench.device)
        return Pair(
            lambda: activation_overlap(network, images), lambda: two_products(network, images)
        )

    yield bench.measure(
        f"activation overlap (NASWOT), C = {channels}, N = {cells}, batch {sizes[-1]}",
        prepare,
        of="images",
        sizes=sizes,
        naive="two products and a backward pass",
        agree=same,
        repeats=2,
    )


if __name__ == "__main__":
    main("activation_overlap", measure)
