"""The NTK in both modes against a loop of backward passes, as images and channels grow."""

import copy
from collections.abc import Iterator
from functools import partial

import torch
from _measure import Bench, Pair, Result, main
from torch import Tensor, nn

from models.indicators import empirical_ntk
from models.networks import initialise_
from models.spaces import DartsSpace, NasBench201Space


def gradient(network: nn.Module, value: Tensor) -> Tensor:
    """Of one logit sum by all parameters, collected from `.grad`."""
    network.zero_grad()
    value.backward(retain_graph=True)
    return torch.cat([p.grad.ravel() for p in network.parameters() if p.grad is not None])


def coupled_loop(network: nn.Module, images: Tensor) -> Tensor:
    """One backward pass through the whole batch per image."""
    J = torch.stack([gradient(network, F) for F in network(images).sum(1)]).double()
    return J @ J.T


def frozen_loop(network: nn.Module, images: Tensor) -> Tensor:
    """The statistics of the batch made constants, then the images one at a time."""
    network = copy.deepcopy(network)

    def keep(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].detach()
        layer.running_mean, layer.running_var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)

    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.0  # the forward pass that finds them shall not move them
            layer.register_forward_pre_hook(keep)
    with torch.no_grad():
        network(images)
    network.eval()
    for layer in network.modules():
        layer._forward_pre_hooks.clear()
    J = torch.stack([gradient(network, network(x[None]).sum()) for x in images]).double()
    return J @ J.T


LOOPS = {"coupled": coupled_loop, "frozen": frozen_loop}
NAIVE = {"coupled": "a backward pass per image", "frozen": "one image at a time"}


def same(ours: Tensor, naive: Tensor) -> bool:
    """Equal to float32's rounding, which differs with the order of its sums."""
    return torch.allclose(ours, naive.cpu(), rtol=0, atol=1e-3 * float(naive.max()))


def measure(bench: Bench) -> Iterator[Result]:
    """The supernets that a pruning search evaluates."""

    def prepare(mode: str, network: nn.Module, count: int) -> Pair:
        initialise_(network, "fan_out", torch.Generator().manual_seed(0))
        network.to(bench.device)
        images = torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        images = images.to(bench.device)
        return Pair(
            lambda: empirical_ntk(network, images, mode),  # type: ignore[arg-type]
            lambda: LOOPS[mode](network, images),
        )

    space = NasBench201Space()
    counts = bench.pick((9, 18, 36, 72), (2, 4))
    widths, few = bench.pick((3, 6, 12, 24), (1, 2)), bench.pick(16, 2)
    darts = bench.pick((14,), ())  # the batch of a search for CIFAR-10
    for mode, loop in NAIVE.items():
        given = partial(bench.measure, naive=loop, agree=same)

        def growing_batch(count: int, mode: str = mode) -> Pair:
            return prepare(mode, space.supernet(), count)

        def growing_width(channels: int, mode: str = mode) -> Pair:
            return prepare(mode, space.supernet(channels=channels), few)

        def of_darts(count: int, mode: str = mode) -> Pair:
            return prepare(mode, DartsSpace().supernet(), count)

        name = f"NTK, {mode}: NAS-Bench-201 supernet"
        yield given(f"{name}, {counts[-1]} images", growing_batch, of="images", sizes=counts)
        width = f"{name} of {widths[-1]} channels, {few} images"
        yield given(width, growing_width, of="channels", sizes=widths)
        for count in darts:
            sizes = (4, 7, count)
            yield given(
                f"NTK, {mode}: DARTS supernet, {count} images", of_darts, of="images", sizes=sizes
            )


if __name__ == "__main__":
    main("ntk", measure)
