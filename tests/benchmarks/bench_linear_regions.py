"""Linear regions by distinct rows of bits, against a comparison of all pairs (TE-NAS)."""

from collections.abc import Iterator

import torch
from _measure import Bench, Pair, Result, main
from torch import Tensor, nn

from models.indicators import linear_regions
from models.networks import initialise_
from models.spaces import NasBench201Space


def by_pairs(network: nn.Module, inputs: Tensor) -> int:
    """A matrix of the number of units in which two samples differ."""
    codes: list[Tensor] = []
    hooks = [
        m.register_forward_hook(lambda _, __, y: codes.append((y > 0).flatten(1)))
        for m in network.modules()
        if isinstance(m, nn.ReLU)
    ]
    with torch.no_grad():
        network(inputs)
    for hook in hooks:
        hook.remove()
    c = torch.cat(codes, 1).float()
    differ = (1 - c) @ c.T
    differ = differ + differ.T
    weights = 1 / (differ == 0).sum(1)
    return round(weights.double().sum().item())


def measure(bench: Bench) -> Iterator[Result]:
    """The thin supernet of a search, on its 3,000 crops of 3×3."""
    samples, sizes = bench.pick((3000, (1500, 3000, 6000, 12000)), (30, (30, 60)))
    network = NasBench201Space().region_network()
    initialise_(network, "fan_in", torch.Generator().manual_seed(0))
    network.to(bench.device)

    def prepare(count: int) -> Pair:
        crops = torch.randn(count, 1, 3, 3, generator=torch.Generator().manual_seed(1))
        crops = crops.to(bench.device)
        return Pair(lambda: linear_regions(network, crops), lambda: by_pairs(network, crops))

    yield bench.measure(
        f"linear regions of the thin NAS-Bench-201 supernet, {samples:,} crops",
        prepare,
        of="crops",
        sizes=sizes,
        at=samples,
        naive="all pairs compared",
        agree=lambda ours, naive: ours == naive,
        repeats=5,
    )


if __name__ == "__main__":
    main("linear_regions", measure)
