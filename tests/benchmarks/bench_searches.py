"""Both searches on NAS-Bench-201, against plain loops that share nothing."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from statistics import fmean

import torch
from _images import RandomCIFAR10
from _measure import Bench, Pair, Result, main
from bench_activation_overlap import two_products
from torch import Tensor, nn

from models import PruningSearch, SamplingSearch
from models.indicators import LinearRegions, NTKConditionNumber, activation_overlap
from models.networks import initialise_
from models.search import draw_batch, draw_crops
from models.search.pruning_rules import Candidate, gain
from models.seeding import derive_seed, generator
from models.spaces import NasBench201Space

Score = Callable[[nn.Module, Tensor], float]
SEED, PRECISION = 0, 3


class FirstRound(PruningSearch):
    """A round over the first candidates alone, so that their number can grow."""

    def __init__(self, images: RandomCIFAR10, count: int, batch_size: int) -> None:
        super().__init__(
            images,
            NasBench201Space(),
            depth_width="off",
            repeats=1,
            precision=PRECISION,
            batch_size=batch_size,
            seed=SEED,
        )
        self.count = count

    def candidates(self) -> list[Candidate]:
        """The first `count` of the round."""
        return super().candidates()[: self.count]


def gains_from_scratch(
    bench: Bench, images: RandomCIFAR10, candidate: Candidate, batch_size: int
) -> list[float]:
    """Gains of one removal: networks and batches drawn, and the whole supernet scored, for it."""
    space, full = NasBench201Space(), NasBench201Space().full_mask()
    gains = []
    for score in (NTKConditionNumber("frozen"), LinearRegions()):
        if score.proxy == "images":
            network = space.supernet()
            initialise_(network, "fan_out", generator(SEED, "weights", 0, 0))
            batch = draw_batch(images, batch_size, SEED, 0, 0)
        else:
            network = space.region_network()
            initialise_(network, "fan_in", generator(SEED, "regions", 0, 0))
            batch = draw_crops(images, SEED, 0, 0)
        network.to(bench.device)
        values = []
        for mask in (full, candidate.apply(full)):
            network.mask = mask
            values.append(score.score(network, *(x.to(bench.device) for x in batch)))
        change = gain(*values, score.higher_is_better)
        gains.append(fmean([round(change, PRECISION)]))
    return gains


def pruning(bench: Bench, images: RandomCIFAR10, batch_size: int, count: int) -> Pair:
    """The gains of the first candidates of a round."""

    def ours() -> list[list[float]]:
        search = FirstRound(images, count, batch_size)
        bench.trainer(max_epochs=1).fit(search)
        return [[*entry["gains"].values()] for entry in search.history[0]["candidates"]]

    def naive() -> list[list[float]]:
        candidates = FirstRound(images, count, batch_size).candidates()
        return [gains_from_scratch(bench, images, c, batch_size) for c in candidates]

    return Pair(ours, naive)


def sampling(bench: Bench, images: RandomCIFAR10, score: Score, samples: int) -> Pair:
    """The scores of the architectures drawn, and which of them is best."""
    space, sizes, batch_size = NasBench201Space(), {"channels": 4, "cells_per_stage": 1}, 64

    def new() -> SamplingSearch:
        return SamplingSearch(images, space, samples, network=sizes, batch_size=batch_size)

    def ours() -> list[float]:
        search = new()
        bench.trainer(max_epochs=-1).fit(search)
        # Without a path from image to logits nothing tells images apart, and the search says so.
        return [-math.inf if own is None else own[0] for own in search.scores]

    def naive() -> list[float]:
        batch, _ = draw_batch(images, batch_size, SEED)
        batch = batch.to(bench.device)
        scores = []
        for architecture in new().kept:
            torch.manual_seed(derive_seed(SEED, "weights"))
            network = space.network(architecture, **sizes).to(bench.device)
            scores.append(score(network, batch))
        return scores

    return Pair(ours, naive)


def close(ours: list[float], naive: list[float]) -> bool:
    """Equal to the rounding of float32: ours reads images in another layout."""
    return all(a == b or math.isclose(a, b, rel_tol=1e-6) for a, b in zip(ours, naive, strict=True))


def measure(bench: Bench) -> Iterator[Result]:
    """The NTK in frozen mode, batch 72; NASWOT at its small setting."""
    images = RandomCIFAR10(bench.pick(1000, 300))
    batch_size, sizes = bench.pick((72, (3, 6, 12, 24)), (4, (1, 2)))
    yield bench.measure(
        f"pruning search, {sizes[-1]} evaluations on {batch_size} images",
        partial(pruning, bench, images, batch_size),
        of="candidates",
        sizes=sizes,
        naive="a plain loop, networks and baseline anew for each",
        agree=lambda ours, naive: ours == naive,
        repeats=2,
    )
    sizes = bench.pick((10, 20, 40, 80), (2, 4))
    name = f"sampling search (NASWOT), {sizes[-1]} cells, C = 4, N = 1, batch 64"
    yield bench.measure(
        name,
        partial(sampling, bench, images, two_products),
        of="cells",
        sizes=sizes,
        naive="a plain loop, two products and a backward pass",
        agree=close,
        repeats=2,
    )
    yield bench.measure(
        name,
        partial(sampling, bench, images, activation_overlap),
        at=sizes[-1],
        naive="a plain loop of the same score",
        agree=close,
        repeats=2,
    )


if __name__ == "__main__":
    main("searches", measure)
