"""Repeats of a pruning round: weights, images and the baseline that candidates share."""

import math
from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from models.indicators.base import Indicator, Proxy
from models.indicators.shared import Shared
from models.networks import Supernet, initialise_
from models.search.images import ImageSource, ProxyBatch
from models.search.scoring import draw_batches
from models.seeding import derive_seed, generator
from models.spaces import SupernetSpace

DRAWS = 10
"""Number of draws of a repeat before a supernet without finite scores is refused."""


class Repeat:
    """Networks and batches of one repeat, on which a mask is scored.

    Args:
        scores: indicators.
        networks: by proxy.
        batches: by proxy.
        seed: of the random state in which every score begins.

    Attributes:
        base: by indicator, the score of the unpruned supernet.
    """

    def __init__(
        self,
        scores: Sequence[Indicator],
        networks: dict[Proxy, Supernet],
        batches: dict[Proxy, ProxyBatch],
        seed: int,
    ) -> None:
        self._scores = scores
        self._networks = networks
        self._batches = batches
        self._seed = seed
        self.base: dict[str, float] = {}

    def score(self, mask: Tensor) -> dict[str, float]:
        """Score the supernet under a full mask by every indicator."""
        values, shared = {}, Shared()
        for one in self._scores:
            network = self._networks[one.proxy]
            network.mask = mask
            torch.manual_seed(self._seed)
            with shared.opened() if one.shares else nullcontext():
                values[one.name] = float(one.score(network, *self._batches[one.proxy]))
        return values


class Drawing:
    """Draw repeats: weights, images and crops, anew for each round and repeat.

    Args:
        space: whose supernets are scored.
        images: where batches come from.
        scores: indicators.
        sizes: of the supernet, as `space.supernet` takes them.
        batch_size: images per score.
        seed: of the search.
    """

    def __init__(
        self,
        space: SupernetSpace,
        images: ImageSource,
        scores: Sequence[Indicator],
        sizes: dict[str, int],
        batch_size: int,
        seed: int,
    ) -> None:
        self._space = space
        self._images = images
        self._scores = scores
        self._sizes = sizes
        self._batch_size = batch_size
        self._seed = seed

    def network(self, proxy: Proxy) -> Supernet:
        """Build the supernet of a proxy, with the weights that torch gives it."""
        classes, channels = self._images.num_classes, self._images.in_shape[0]
        if proxy == "images":
            return self._space.supernet(classes, channels, None, **self._sizes)
        return self._space.region_network(classes)

    def draw(self, device: torch.device, mask: Tensor, round: int, number: int) -> Repeat:
        """Draw a repeat in which the supernet has finite scores; draw again where it has not.

        Args:
            device: where scores are computed.
            mask: of the supernet as pruned so far.
            round: number of the round.
            number: of the repeat.

        Raises:
            ValueError: no such draw, or a supernet that cannot be scored.
            torch.AcceleratorError: the device is broken.
        """
        reason = ""
        for attempt in range(DRAWS):
            key = (round, number, attempt) if attempt else (round, number)
            repeat = self._draw(device, key)
            try:
                repeat.base = repeat.score(mask)
            except ArithmeticError as error:
                reason = str(error)
                continue
            except torch.AcceleratorError:
                raise  # the device is broken, and no other draw would mend it
            except (ValueError, RuntimeError) as error:
                line = str(error).splitlines()[0]
                raise ValueError(f"round {round}: the supernet has no score: {line}") from error
            infinite = [f"{name} is {v}" for name, v in repeat.base.items() if not math.isfinite(v)]
            if not infinite:
                return repeat
            reason = infinite[0]
        raise ValueError(f"round {round}: {reason} for the supernet in {DRAWS} draws")

    def _draw(self, device: torch.device, key: tuple[int, ...]) -> Repeat:
        batches = draw_batches(
            self._scores, self._images, self._batch_size, device, self._seed, *key
        )
        networks: dict[Proxy, Supernet] = {}
        for proxy in batches:
            network = self.network(proxy)
            if proxy == "images":
                initialise_(network, "fan_out", generator(self._seed, "weights", *key))
            else:
                initialise_(network, "fan_in", generator(self._seed, "regions", *key))
            networks[proxy] = network.train().to(device)
        seed = derive_seed(self._seed, "evaluation", *key[:2])
        return Repeat(self._scores, networks, batches, seed)
