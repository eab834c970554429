"""From an architecture to its scores, whoever proposed it."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, TypedDict, TypeVar

import torch
from torch import nn

from models.indicators.base import Indicator, Proxy
from models.indicators.shared import Shared
from models.networks import initialise_
from models.networks.meta import on_meta
from models.networks.placement import place_
from models.search.describe import describe, describe_images
from models.search.images import (
    ImageSource,
    NetworkSource,
    ProxyBatch,
    digest,
    draw_batch,
    draw_crops,
)
from models.search.score_cache import ScoreCache
from models.seeding import derive_seed, generator, seed_global
from models.spaces import SearchSpace, SupernetSpace

T = TypeVar("T")

FAILURES = (ValueError, ArithmeticError, RuntimeError)
"""Exceptions that are recorded as a candidate's failure; any other is a bug and is raised."""


class Evaluation(TypedDict, total=False):
    """Outcome of a candidate: its scores, or the reason or the constraint why it has none."""

    scores: dict[str, list[float]]
    gains: dict[str, float]
    error: str
    refused: str


def attempt(compute: Callable[[], T]) -> T | str:
    """Return what an evaluation computes, or the reason why it failed.

    Raises:
        torch.AcceleratorError: the device is broken; that is no failure of a candidate.
        Exception: anything but `FAILURES`, such as a TypeError: a mistake in an indicator.
    """
    try:
        return compute()
    except torch.OutOfMemoryError as error:
        return f"out of memory: {str(error).splitlines()[0]}"
    except torch.AcceleratorError:
        raise
    except FAILURES as error:
        return f"{type(error).__name__}: {error}"


def draw_batches(
    indicators: Iterable[Indicator],
    images: ImageSource,
    batch_size: int,
    device: torch.device,
    seed: int,
    *key: int,
) -> dict[Proxy, ProxyBatch]:
    """Draw the images and crops on which indicators score, for one unit of work.

    Args:
        indicators: whose `proxy` says what is needed.
        images: where they come from.
        batch_size: images per batch.
        device: where they go.
        seed: of the search.
        key: round and repeat, say.

    Raises:
        ValueError: fewer images than that.
    """
    batches: dict[Proxy, ProxyBatch] = {}
    for proxy in dict.fromkeys(one.proxy for one in indicators):
        if proxy == "images":
            batch = draw_batch(images, batch_size, seed, *key)
        else:
            batch = draw_crops(images, seed, *key)
        batches[proxy] = ProxyBatch(*(tensor.to(device) for tensor in batch))
    return batches


def check_indicators(indicators: Sequence[Indicator], argument: str) -> None:
    """Refuse what is no indicator, or two of one name.

    Raises:
        ValueError: one line that names the argument.
    """
    for one in indicators:
        own = getattr(one, "name", None), getattr(one, "higher_is_better", None)
        if not isinstance(one, Indicator) or [type(value) for value in own] != [str, bool]:
            raise ValueError(
                f"{argument}: expected models.indicators.Indicator with a name and "
                f"higher_is_better, got {type(one).__name__}"
            )
    names = [one.name for one in indicators]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"{argument}: expected one or more different indicators, got {names}")


class _Networks:
    """The networks of one architecture, and what indicators compute of them."""

    def __init__(self, with_weights: bool) -> None:
        self.with_weights = with_weights
        """Whether an indicator needs weights."""
        self.built: dict[str, nn.Module] = {}
        self.shared = Shared()


class Scorer:
    """Score untrained networks of architectures by several indicators.

    All architectures are scored on the same images and from the same random numbers, so that a
    score is a function of seed and architecture alone. Indicators of one proxy share the network,
    and what they compute of it where they say so (`Indicator.shares`).

    Args:
        space: whose architectures.
        images: DataModule whose training images the scores are taken on.
        indicators: what to score by.
        sizes: of the networks, as `space.network` takes them.
        batch_size: images per score.
        seed: of images and weights.
        cache: file where scores are kept and looked up; none by default.

    Attributes:
        milliseconds: by indicator, what each score that this process computed took by itself.

    Raises:
        ValueError: indicators that the space has no networks for.
    """

    def __init__(
        self,
        space: SearchSpace,
        images: ImageSource,
        indicators: Sequence[Indicator],
        sizes: dict[str, int],
        batch_size: int,
        seed: int,
        cache: str | None = None,
    ) -> None:
        self.space = space
        self.images = images
        self.indicators = tuple(indicators)
        self.sizes = sizes
        self.batch_size = batch_size
        self.seed = seed
        self.cache = cache
        self.milliseconds: dict[str, list[float]] = {one.name: [] for one in self.indicators}
        for one in self.indicators:
            if one.proxy == "regions" and not isinstance(space, SupernetSpace):
                raise ValueError(
                    f"indicator: {one.name} scores the thin network of a supernet, which "
                    f"{space.name} has not; NTKConditionNumber works on its own networks"
                )
            if one.name in space.unsuited:
                raise ValueError(f"indicator: {one.name} {space.unsuited[one.name]}")
        self._sources = {
            one.name: one.networks(space, images.in_shape, images.num_classes)
            for one in self.indicators
            if isinstance(one, NetworkSource)
        }
        self._device = torch.device("cpu")
        self._batches: dict[Proxy, ProxyBatch] = {}
        self._noise = ProxyBatch(torch.empty(0), torch.empty(0))
        self._cache: ScoreCache | None = None

    def setting(self) -> dict[str, Any]:
        """Return what a score depends on beside indicator, seed and architecture, as builtins."""
        return {
            "space": self.space.name,
            "batch_size": self.batch_size,
            "network": self.sizes,
            "images": describe_images(self.images),
        }

    def prepare(self, device: torch.device) -> None:
        """Draw the batches, once the images are loaded, and open the cache.

        Args:
            device: where scores are computed.

        Raises:
            ValueError: fewer images than `batch_size`, or a file that is no cache.
        """
        self._device = device
        self._batches = draw_batches(
            self.indicators, self.images, self.batch_size, device, self.seed
        )
        if any(one.inputs == "noise" for one in self.indicators if one.proxy == "images"):
            images, labels = self._batches["images"]
            noise = torch.randn(images.shape, generator=generator(self.seed, "noise"))
            self._noise = ProxyBatch(noise.to(device), labels)
        if self.cache is not None:
            # Settings leave out the folder, which for a folder of images decides what they are.
            drawn = {name: digest(batch) for name, batch in self._batches.items()}
            # Kernels of another kind of device round otherwise; a CPU goes without saying.
            kind = {} if device.type == "cpu" else {"device": device.type}
            self._cache = ScoreCache(
                self.cache, self.setting() | {"drawn": drawn} | kind, self.seed
            )

    def evaluate(self, architecture: Any) -> Evaluation:
        """Score an architecture by every indicator, from the cache where it has the score.

        One indicator's failure is the architecture's, but leaves the others' scores on record.
        """
        known = self._known(architecture)
        missing = [one for one in self.indicators if one.name not in known]
        networks = _Networks(any(one.needs == "weights" for one in missing))
        scores: dict[str, list[float]] = {}
        errors: list[str] = []
        for one in self.indicators:
            score = (
                known[one.name]
                if one.name in known
                else attempt(partial(self._score, one, architecture, networks))
            )
            if isinstance(score, str):
                errors.append(f"{one.name}: {score}")
            else:
                scores[one.name] = [score]
        evaluation: Evaluation = {"scores": scores} if scores else {}
        return {**evaluation, "error": "; ".join(errors)} if errors else evaluation

    def _known(self, architecture: Any) -> dict[str, float]:
        """Return the scores that the cache has, by indicator."""
        if self._cache is None:
            return {}
        text = self.space.format(architecture)
        found = {one.name: self._cache.get(describe(one), text) for one in self.indicators}
        return {name: score for name, score in found.items() if score is not None}

    def _score(self, indicator: Indicator, architecture: Any, networks: "_Networks") -> float:
        start, saved = time.perf_counter(), networks.shared.saved
        graphs = self.space.topologies(architecture) if indicator.needs == "architecture" else {}
        if graphs:
            score = indicator.score_graphs(graphs)
        else:
            network, batch = self._network_for(indicator, architecture, networks)
            seed_global(self._device, derive_seed(self.seed, "evaluation"))
            start = time.perf_counter()
            with networks.shared.opened() if indicator.shares else nullcontext():
                score = indicator.score(network, *batch)
        seconds = time.perf_counter() - start + networks.shared.saved - saved
        self.milliseconds[indicator.name].append(1000 * seconds)
        try:
            value = float(score)
        except (torch.OutOfMemoryError, torch.AcceleratorError):
            raise  # where a score is read off a device, its errors come up
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"the score is no number: {score!r:.40}") from error
        if not math.isfinite(value):
            raise ValueError(f"the score is {value}")
        if self._cache is not None:
            self._cache.put(describe(indicator), self.space.format(architecture), value)
        return value

    def _network_for(
        self, indicator: Indicator, architecture: Any, networks: "_Networks"
    ) -> tuple[nn.Module, ProxyBatch]:
        """Return what an indicator scores; those of one kind share it, as they leave it as it was.

        Shapes are read off a network with weights where another indicator needs those anyway.
        """
        batch = self._batch_of(indicator)
        if indicator.needs != "weights" and not networks.with_weights:
            if "shapes" not in networks.built:
                channels, classes = self.images.in_shape[0], self.images.num_classes
                networks.built["shapes"] = on_meta(
                    lambda: self.space.network(architecture, classes, channels, **self.sizes)
                ).train()
            return networks.built["shapes"], ProxyBatch(*(tensor.to("meta") for tensor in batch))
        own = indicator.name in self._sources
        key = indicator.name if own else f"{indicator.proxy} {indicator.initialisation}"
        if key not in networks.built:
            networks.built[key] = self._new_network(architecture, indicator)
        return networks.built[key], batch

    def _batch_of(self, indicator: Indicator) -> ProxyBatch:
        noise = indicator.proxy == "images" and indicator.inputs == "noise"
        return self._noise if noise else self._batches[indicator.proxy]

    def _new_network(self, architecture: Any, indicator: Indicator) -> nn.Module:
        classes = self.images.num_classes
        if indicator.name in self._sources:
            network = self._sources[indicator.name](architecture)
        elif indicator.proxy == "images":
            # torch's own initialisation, as NASWOT has it, unless the indicator asks for another
            seed_global(self._device, derive_seed(self.seed, "weights"))
            channels = self.images.in_shape[0]
            network = self.space.network(architecture, classes, channels, **self.sizes)
            if indicator.initialisation == "fan_in":
                initialise_(network, "fan_in", generator(self.seed, "weights"))
        else:
            assert isinstance(self.space, SupernetSpace)
            network = self.space.region_network(classes, self.space.mask_of(architecture))
            initialise_(network, "fan_in", generator(self.seed, "regions"))
        return place_(network.train(), self._device)
