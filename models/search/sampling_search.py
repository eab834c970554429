"""Search by sampling: NASWOT, and its filter by depth and width."""

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Literal

import pytorch_lightning as pl
from torch import nn

from models.indicators.base import Indicator, Proxy
from models.indicators.naswot import ActivationOverlap
from models.indicators.rank_aggregate import RankAggregate
from models.indicators.shared import Shared
from models.networks import initialise_
from models.search.base import FAILURES, Evaluation, Search
from models.search.depth_width_filter import DepthWidthFilter
from models.search.describe import describe, describe_images
from models.search.images import NetworkSource, ProxyBatch, digest, draw_batch, draw_crops
from models.search.sampling_rules import best, draw_distinct, indicators_of
from models.search.score_cache import ScoreCache
from models.search.small_proxies import paper_proxy, small_proxy
from models.seeding import derive_seed, generator, seed_global
from models.spaces import SearchSpace
from models.spaces.sizes import check_sizes
from models.topology import effective_depth_width


class SamplingSearch(Search):
    """Draw architectures, score them untrained, name the best (Mellor et al., arXiv 2006.04647).

    With a filter, architectures whose effective depth or width is extreme are dropped before they
    are scored, at no cost (arXiv 2205.05662, §4.2). All are scored on the same images, from the
    same random numbers. One whose score fails or is not finite is recorded with the reason and
    cannot win; on a tie the one drawn first wins.

    An epoch is a block of architectures, after which a checkpoint can be written.

    Args:
        images: DataModule whose training images the scores are taken on.
        space: the search space.
        samples: different architectures to draw, the filtered ones among them.
        filter: which of them to score; by default all.
        indicator: what to score by; several of them as a `RankAggregate`, which ranks all that were
            scored against one another. By default `ActivationOverlap`.
        proxy: sizes of the networks and the batch: `small`, the cheapest on which the indicator
            ranks nearly as well as on any (`models.search.small_proxies`), or `paper`.
        batch_size: images, instead of the proxy's.
        network: sizes as `space.network` takes them, instead of the proxy's.
        block_size: architectures per epoch.
        cache: file where scores are kept and looked up, for other searches or the next try.
        seed: of architectures, weights and images.

    Raises:
        ValueError: an argument out of range, or a filter that lets nothing through.
    """

    def __init__(
        self,
        images: pl.LightningDataModule,
        space: SearchSpace,
        samples: int = 100,
        filter: DepthWidthFilter | None = None,
        indicator: Indicator | RankAggregate | None = None,
        proxy: Literal["small", "paper"] = "small",
        batch_size: int | None = None,
        network: dict[str, int] | None = None,
        block_size: int = 24,
        cache: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(images, seed)
        if proxy not in ("small", "paper"):
            raise ValueError(f"proxy: expected 'small' or 'paper', got {proxy!r}")
        self.space = space
        self.samples = samples
        self.filter = filter
        self.indicator = ActivationOverlap() if indicator is None else indicator
        self.indicators = indicators_of(self.indicator)
        for one in self.indicators:
            own = getattr(one, "name", None), getattr(one, "higher_is_better", None)
            if not isinstance(one, Indicator) or [type(value) for value in own] != [str, bool]:
                raise ValueError(
                    "indicator: expected models.indicators.Indicator with a name and "
                    f"higher_is_better, got {type(one).__name__}"
                )
        names = [one.name for one in self.indicators]
        if len(set(names)) != len(names):
            raise ValueError(f"indicator: expected different indicators, got {names}")
        small = small_proxy(space.name, self.indicator.name)
        setting = small if proxy == "small" else paper_proxy(space.name)
        self.batch_size = setting.batch_size if batch_size is None else batch_size
        self.sizes = dict(setting.network) if network is None else network
        check_sizes(space.network, self.sizes, f"{space.name} networks", "network")
        for name, value, minimum in (
            ("batch_size", self.batch_size, 2),
            ("block_size", block_size, 1),
        ):
            if value < minimum:
                raise ValueError(f"{name}: expected {minimum} or more, got {value}")
        self.block_size = block_size
        self.cache = cache
        drawn = draw_distinct(space, samples, generator(seed, "sample"))
        self.kept = [a for a in drawn if filter is None or filter.keeps(space, a)]
        """The architectures to score, in the order in which they were drawn."""
        if not self.kept:
            raise ValueError(f"filter: keeps none of the {samples} architectures drawn")
        self.milliseconds: dict[str, list[float]] = {name: [] for name in names}
        """What each score that this process computed, since it began, would take by itself."""
        self._scores: list[tuple[float, ...] | None] = []
        self._blocks_read = 0
        self._batches: dict[Proxy, ProxyBatch] = {}
        self._cache: ScoreCache | None = None
        self._own_networks = {
            one.name: one.networks(space, self.images.in_shape, self.images.num_classes)
            for one in self.indicators
            if isinstance(one, NetworkSource)
        }

    # The search's state ------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether all that the filter keeps is scored."""
        return self.round * self.block_size >= len(self.kept)

    @property
    def scores(self) -> list[tuple[float, ...] | None]:
        """Scores so far by indicator, in the order of `kept`; None for a failure."""
        for block in self.history[self._blocks_read :]:
            self._scores += [
                None
                if "error" in entry
                else tuple(entry["scores"][one.name][0] for one in self.indicators)
                for entry in block["candidates"]
            ]
        self._blocks_read = self.round
        return self._scores.copy()

    def scores_of(self, name: str) -> dict[str, float]:
        """Scores so far by an indicator, by the architecture's text; failures are missing."""
        return {
            entry["candidate"]: entry["scores"][name][0]
            for block in self.history
            for entry in block["candidates"]
            if name in entry.get("scores", {})
        }

    @property
    def architecture(self) -> Any:
        """The best architecture so far. Raises ValueError while nothing has a score."""
        index = best(self.indicator, self.scores)
        if index is None:
            raise ValueError("architecture: nothing has been scored yet")
        return self.kept[index]

    def settings(self) -> dict[str, Any]:
        """What the result depends on."""
        return {
            "search": type(self).__name__,
            "samples": self.samples,
            "filter": describe(self.filter),
            "indicator": describe(self.indicator),
            "block_size": self.block_size,
            "seed": self.seed,
            **self._setting(),
        }

    def _setting(self) -> dict[str, Any]:
        """What a score depends on beside indicator, seed and architecture."""
        return {
            "space": self.space.name,
            "batch_size": self.batch_size,
            "network": self.sizes,
            "images": describe_images(self.images),
        }

    def state(self) -> dict[str, Any]:
        """Nothing: what is drawn follows from the seed, and scores are in `history`."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Nothing but to forget what was read of another history."""
        self._scores, self._blocks_read = [], 0

    # A block -------------------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        """Draw images and crops, and open the cache."""
        self._batches = {}
        for proxy in dict.fromkeys(one.proxy for one in self.indicators):
            if proxy == "images":
                batch = draw_batch(self.images, self.batch_size, self.seed)
            else:
                batch = draw_crops(self.images, self.seed)
            self._batches[proxy] = ProxyBatch(*(tensor.to(self.device) for tensor in batch))
        if self.cache is not None:
            # Settings leave out the folder, which for a folder of images decides what they are.
            drawn = {name: digest(batch) for name, batch in self._batches.items()}
            self._cache = ScoreCache(self.cache, self._setting() | {"drawn": drawn}, self.seed)

    def candidates(self) -> list[Any]:
        """The next block of architectures."""
        start = self.round * self.block_size
        return self.kept[start : start + self.block_size]

    def evaluate(self, candidate: Any) -> Evaluation:
        """Scores of an architecture by indicator, from the cache where it has them.

        One indicator's failure is the architecture's, but leaves the others' scores on record.
        """
        scores: dict[str, list[float]] = {}
        errors: list[str] = []
        built: dict[str, nn.Module] = {}
        shared = Shared()
        for one in self.indicators:
            try:
                scores[one.name] = [self._score(one, candidate, built, shared)]
            except FAILURES as error:
                errors.append(f"{one.name}: {type(error).__name__}: {error}")
        evaluation: Evaluation = {"scores": scores} if scores else {}
        return {**evaluation, "error": "; ".join(errors)} if errors else evaluation

    def _score(
        self, indicator: Indicator, architecture: Any, built: dict[str, nn.Module], shared: Shared
    ) -> float:
        described, text = describe(indicator), self.space.format(architecture)
        known = self._cache.get(described, text) if self._cache is not None else None
        if known is not None:
            return known
        # Indicators leave a network as they found it, so that those of one proxy share it.
        key = indicator.name if indicator.name in self._own_networks else indicator.proxy
        if key not in built:
            built[key] = self._new_network(architecture, indicator)
        network = built[key]
        seed_global(self.device, derive_seed(self.seed, "evaluation"))
        start, saved = time.perf_counter(), shared.saved
        with shared.opened() if indicator.shares else nullcontext():
            score = indicator.score(network, *self._batches[indicator.proxy])
        seconds = time.perf_counter() - start + shared.saved - saved
        self.milliseconds[indicator.name].append(1000 * seconds)
        try:
            value = float(score)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"the score is no number: {score!r:.40}") from error
        if not math.isfinite(value):
            raise ValueError(f"the score is {value}")
        if self._cache is not None:
            self._cache.put(described, text, value)
        return value

    def _new_network(self, architecture: Any, indicator: Indicator) -> nn.Module:
        classes = self.images.num_classes
        if indicator.name in self._own_networks:
            network = self._own_networks[indicator.name](architecture)
        elif indicator.proxy == "images":
            # torch's own initialisation, as NASWOT has it
            seed_global(self.device, derive_seed(self.seed, "weights"))
            channels = self.images.in_shape[0]
            network = self.space.network(architecture, classes, channels, **self.sizes)
        else:
            network = self.space.region_network(classes, self.space.mask_of(architecture))
            initialise_(network, "fan_in", generator(self.seed, "regions"))
        network.train()
        return network if self.device.type == "cpu" else network.to(self.device)  # .to walks

    def decide(self, evaluations: Sequence[Evaluation]) -> None:
        """Record and log the block.

        Raises:
            ValueError: the search is at its end and no evaluation succeeded.
        """
        entries: list[dict[str, Any]] = [
            {"candidate": self.space.format(architecture), **evaluation}
            for architecture, evaluation in zip(self.plan(), evaluations, strict=True)
        ]
        self.history.append({"round": self.round, "evaluated": len(entries), "candidates": entries})
        counts = self.counts()
        if self.finished and counts["failed"] == counts["evaluated"]:
            raise ValueError(f"no evaluation succeeded: {entries[0]['error']}")
        self.log_dict(
            {f"search/{name}": float(count) for name, count in counts.items()},
            on_step=False,
            on_epoch=True,
            batch_size=1,
        )
        if len(self.indicators) == 1 and counts["failed"] < counts["evaluated"]:
            scores = self.scores
            winner = scores[best(self.indicator, scores) or 0]
            assert winner is not None
            self.log(
                f"search/best_{self.indicator.name}",
                winner[0],
                on_step=False,
                on_epoch=True,
                batch_size=1,
            )

    def counts(self) -> dict[str, int]:
        """Architectures drawn, filtered, evaluated so far, and failed among these."""
        return {
            "drawn": self.samples,
            "filtered": self.samples - len(self.kept),
            "evaluated": self.evaluation_count,
            "failed": self.scores.count(None),
        }

    def result(self) -> dict[str, Any]:
        """The architecture, its depth and width, and how it was found."""
        architecture = self.architecture
        depth_width = {
            name: effective_depth_width(graph)._asdict()
            for name, graph in self.space.topologies(architecture).items()
        }
        return {
            "architecture": self.space.format(architecture),
            "space": self.space.name,
            "cells": self.space.to_json(architecture),
            "depth_width": depth_width,
            "settings": self.settings(),
            "counts": self.counts(),
            "evaluations": self.evaluation_count,
            "seconds": round(self.seconds, 3),
            "rounds": self.history,
        }

    def summary(self) -> str:
        """One line on what was found, or how far the search came."""
        counts = self.counts()
        if not self.finished:
            return f"{counts['evaluated']} of {len(self.kept)} architectures scored"
        before = "had already finished; " if self.was_finished else ""
        return (
            f"{before}found {self.space.format(self.architecture)} among {counts['drawn']}: "
            f"{counts['filtered']} filtered, {counts['evaluated']} evaluated, "
            f"{counts['failed']} failed, {self.seconds:.0f} s"
        )
