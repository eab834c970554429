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
    images, channels, few = bench.pick((72, 24, 16), (4, 2, 2))
    darts = bench.pick(14, 2)  # the batch of a search for CIFAR-10
    # A single pass is over so soon that only larger work shows how it grows.
    counts = {"coupled": (9, 18, 36, 72), "frozen": (72, 144, 288, 576)}
    widths = {"coupled": (3, 6, 12, 24), "frozen": (6, 12, 24, 48)}
    for mode, loop in NAIVE.items():
        given = partial(bench.measure, naive=loop, agree=same, repeats=2)

        def growing_batch(count: int, mode: str = mode) -> Pair:
            return prepare(mode, space.supernet(), count)

        def growing_width(width: int, mode: str = mode) -> Pair:
            return prepare(mode, space.supernet(channels=width), few)

        def of_darts(count: int, mode: str = mode) -> Pair:
            return prepare(mode, DartsSpace().supernet(), count)

        name = f"NTK, {mode}: NAS-Bench-201 supernet"
        yield given(
            f"{name}, {images} images",
            growing_batch,
            of="images",
            sizes=bench.pick(counts[mode], (2, 4)),
            at=images,
        )
        yield given(
            f"{name} of {channels} channels, {few} images",
            growing_width,
            of="channels",
            sizes=bench.pick(widths[mode], (1, 2)),
            at=channels,
        )
        yield given(f"NTK, {mode}: DARTS supernet, {darts} images", of_darts, at=darts)


if __name__ == "__main__":
    main("ntk", measure)
