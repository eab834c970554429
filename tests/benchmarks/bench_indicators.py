"""The indicators whose straightforward form is much slower: VKDNW and SynFlow."""

import copy
import math
from collections.abc import Callable, Iterator
from functools import partial

import torch
from _measure import Bench, Pair, Result, main
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from models.indicators import VKDNW, Indicator, SynFlow
from models.spaces import NasBench201Space

Score = Callable[[nn.Module, Tensor], float]
CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"


def straightforward_vkdnw(network: nn.Module, images: Tensor) -> float:
    """Jacobian by the first entries, a sample and a functional network at a time."""
    network = copy.deepcopy(network).eval()
    parameters = {name: p.detach() for name, p in network.named_parameters()}
    first = {name: p.flatten()[:1] for name, p in parameters.items()}

    def logits(entries: dict[str, Tensor], image: Tensor) -> Tensor:
        changed = {
            name: torch.cat([entries[name], p.flatten()[1:]]).view_as(p)
            for name, p in parameters.items()
        }
        return functional_call(network, changed, (image[None],))[0]

    jacobians = vmap(jacrev(logits), in_dims=(None, 0))(first, images)
    J = torch.cat([j.flatten(2) for j in jacobians.values()], dim=2).double()
    p = network(images).detach().double().softmax(1)
    p = 0.95 * p + 0.05 / p.shape[1]
    F = sum(j.T @ (torch.diag(q) - torch.outer(q, q)) @ j for j, q in zip(J, p, strict=True)) / len(
        J
    )
    deciles = torch.quantile(
        torch.linalg.eigvalsh(F).clamp(min=0),
        torch.arange(1, 10, dtype=torch.float64, device=F.device) / 10,
    )
    shares = deciles / deciles.sum()
    layers = sum(isinstance(m, nn.Conv2d | nn.Linear) for m in network.modules())
    return layers - float((shares * shares.log()).nansum())


def straightforward_synflow(network: nn.Module, images: Tensor) -> float:
    """A rewritten copy of the network on a whole batch of ones."""
    network = copy.deepcopy(network).double()
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    for p in network.parameters():
        p.data.abs_()
    network(torch.ones_like(images, dtype=torch.float64)).sum().backward()
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    flow = sum(float((w * w.grad).sum()) for w in weights if w.grad is not None)
    return math.log(flow / len(images))


def measure(bench: Bench) -> Iterator[Result]:
    """A small network of NAS-Bench-201, as a search scores by default."""
    space = NasBench201Space()
    channels = bench.pick(4, 2)
    network = space.network(space.parse(CELL), channels=channels, cells_per_stage=1)
    network.to(bench.device)
    sizes = bench.pick((16, 32, 64, 128), (2, 4))
    at = bench.pick(64, 4)

    def prepare(indicator: Indicator, way: Score, batch: int) -> Pair:
        images = torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        images, labels = images.to(bench.device), torch.arange(batch) % 10
        return Pair(lambda: indicator.score(network, images, labels), lambda: way(network, images))

    for indicator, way, naive in (
        (VKDNW(), straightforward_vkdnw, "a functional network per sample"),
        (SynFlow(), straightforward_synflow, "a rewritten copy, the whole batch"),
    ):
        yield bench.measure(
            f"{type(indicator).__name__} of a NAS-Bench-201 network, C = {channels}, {at} images",
            partial(prepare, indicator, way),
            of="images",
            sizes=sizes,
            at=at,
            naive=naive,
            agree=lambda ours, naive: math.isclose(ours, naive, rel_tol=1e-4),
            repeats=5,
        )


if __name__ == "__main__":
    main("indicators", measure)
