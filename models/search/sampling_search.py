"""Search by sampling: NASWOT, and its filter by depth and width."""

from collections.abc import Sequence
from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_warn

from models.benchmarks import HardwareTable
from models.indicators.base import Indicator
from models.indicators.naswot import ActivationOverlap
from models.indicators.rank_aggregate import RankAggregate
from models.search.base import Search
from models.search.budget import Budget
from models.search.constraints import Filter, Filtering
from models.search.describe import (
    against_budget,
    describe,
    describe_architecture,
    describe_costs,
    how_to_train,
)
from models.search.feasible import draw_feasible, refusals
from models.search.listed import digest_of, draw_listed
from models.search.sampling_rules import best, draw_distinct, indicators_of
from models.search.scoring import Evaluation, Scorer, check_indicators
from models.seeding import generator
from models.spaces import SearchSpace, as_space
from models.spaces.sizes import check_sizes


class SamplingSearch(Search):
    """Draw architectures, score them untrained, name the best (Mellor et al., arXiv 2006.04647).

    With a filter, architectures whose effective depth or width is extreme are dropped before they
    are scored, at no cost (arXiv 2205.05662, §4.2). All are scored on the same images, from the
    same random numbers. One whose score fails or is not finite is recorded with the reason and
    cannot win; on a tie the one drawn first wins.

    An epoch is a block of architectures, after which a checkpoint can be written.

    Args:
        images: DataModule whose training images the scores are taken on.
        space: the search space, or its name: `nasbench201`, `darts`.
        samples: different architectures to draw, the filtered ones among them; under a budget, how
            many that keep to it, and to the filter, to draw and score. Where they are rarer than
            one in a thousand, the search goes on with those found. None for all that
            `architectures` lists.
        filter: the constraints that an architecture must meet to be scored, one or a list, such as
            `DepthWidthFilter` and `Limit`; by default none.
        indicator: what to score by; several of them as a `RankAggregate`, which ranks all that were
            scored against one another. By default `ActivationOverlap`.
        proxy: sizes of the networks and the batch: `small`, the cheapest on which the indicator
            ranks nearly as well as on any (`SearchSpace.proxy`), or `paper`.
        batch_size: images, instead of the proxy's.
        network: sizes as `space.network` takes them, instead of the proxy's.
        block_size: architectures per epoch; by default 24, or a fiftieth of `samples` if more.
        budget: upper bounds on `parameters`, `multiply_adds` and `latency_ms` of the network that
            will be trained; by default none. Architectures above one are never scored.
        sizes: of the network that will be trained, as `space.network` takes them; the space's own
            by default.
        hardware: a table of latencies, instead of measuring them on the trainer's device.
        cache: file where scores are kept and looked up, for other searches or the next try.
        seed: of architectures, weights and images.
        architectures: a CSV file to draw from instead of the space, `file.csv#column`: those of a
            table of known accuracies, say. An architecture of several columns of JSON, such as
            NAS-Bench-101's, is `file.csv#module_adjacency,module_operations`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: an argument out of range, or a filter that lets nothing through.
    """

    def __init__(
        self,
        images: pl.LightningDataModule,
        space: SearchSpace | str,
        samples: int | None = 100,
        filter: Filter = None,
        indicator: Indicator | RankAggregate | None = None,
        proxy: Literal["small", "paper"] = "small",
        batch_size: int | None = None,
        network: dict[str, int] | None = None,
        block_size: int | None = None,
        budget: dict[str, Any] | None = None,
        sizes: dict[str, Any] | None = None,
        hardware: HardwareTable | None = None,
        cache: str | None = None,
        seed: int = 0,
        architectures: str | None = None,
    ) -> None:
        super().__init__(images, seed)
        if proxy not in ("small", "paper"):
            raise ValueError(f"proxy: expected 'small' or 'paper', got {proxy!r}")
        self.space = as_space(space)
        self._listed: list[Any] | None = None
        if architectures is not None:
            self._listed = draw_listed(
                self.space, architectures, samples, generator(seed, "sample")
            )
            samples = len(self._listed)
        if samples is None:
            raise ValueError("samples: expected a number, or architectures that a file lists")
        self.samples = samples
        self.filter = filter
        self.indicator = ActivationOverlap() if indicator is None else indicator
        self.indicators = indicators_of(self.indicator)
        check_indicators(self.indicators, "indicator")
        setting = self.space.proxy(proxy, self.indicator.name)
        self.batch_size = setting.batch_size if batch_size is None else batch_size
        network = dict(setting.network) if network is None else network
        check_sizes(self.space.network, network, f"{self.space.name} networks", "network")
        self.block_size = max(24, samples // 50) if block_size is None else block_size
        for name, value, minimum in (
            ("batch_size", self.batch_size, 2),
            ("block_size", self.block_size, 1),
        ):
            if value < minimum:
                raise ValueError(f"{name}: expected {minimum} or more, got {value}")
        self.scorer = Scorer(
            self.space, self.images, self.indicators, network, self.batch_size, seed, cache
        )
        data = self.images.in_shape, self.images.num_classes
        self.hardware = hardware
        self.budget = Budget.of(budget, self.space, self.images, sizes, hardware)
        self.costs = self.budget.costs
        self.filtering = Filtering(filter, self.space, *data, self.budget)
        self.kept: list[Any] = []
        """The architectures to score, in the order in which they were drawn."""
        self.tried = 0
        """Different architectures drawn."""
        self._scores: list[tuple[float, ...] | None] = []
        self._blocks_read = 0
        if not self.budget.measures:  # or in `on_fit_start`, on the trainer's device
            self._draw()

    def _draw(self) -> None:
        """Find the architectures to score: a function of the seed and of latencies."""
        self.filtering.clear()
        if self.budget.bounds and self._listed is None:
            self.kept, self.tried = draw_feasible(
                self.space, self.samples, self.filtering, self.budget, self.seed
            )
            if len(self.kept) < self.samples:
                rank_zero_warn(
                    f"samples: gave up after {self.tried} tries with {len(self.kept)} of "
                    f"{self.samples} found; refused by {refusals(self.filtering)}"
                )
            return
        drawn = self._listed
        if drawn is None:
            drawn = draw_distinct(self.space, self.samples, generator(self.seed, "sample"))
        self.kept, self.tried = [one for one in drawn if self.filtering.keeps(one)], len(drawn)
        if not self.kept:
            raise ValueError(
                f"filter: keeps none of the {self.samples} architectures drawn; refused by "
                f"{refusals(self.filtering)}"
            )

    # The search's state ------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether all that filter and budget keep is scored."""
        return bool(self.kept) and self.round * self.block_size >= len(self.kept)

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
        """Return the settings that decide the result."""
        return {
            "search": type(self).__name__,
            "samples": self.samples,
            "filter": describe(self.filter),
            "budget": self.budget.bounds or None,
            "sizes": self.costs.sizes or None,
            "hardware": describe(self.hardware, leave_out=("path",)),
            "indicator": describe(self.indicator),
            "block_size": self.block_size,
            "seed": self.seed,
            "architectures": self._listed and digest_of(self.space, self._listed),
            **self.scorer.setting(),
        }

    @property
    def milliseconds(self) -> dict[str, list[float]]:
        """By indicator, what each score that this process computed took by itself."""
        return self.scorer.milliseconds

    def state(self) -> dict[str, Any]:
        """The latencies that decided; all else follows from the seed."""
        return {"latencies": self.costs.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Forget what was read of another history, and draw by the latencies that decided then."""
        self._scores, self._blocks_read = [], 0
        self.costs.load_state(state.get("latencies", {}))
        if self.budget.measures:
            self._draw()

    # A block -------------------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        """Draw images, crops and what is to be measured, and open the cache."""
        self.scorer.prepare(self.device)
        self.costs.device = self.device
        if not self.kept:
            self._draw()
        super().on_fit_start()

    def candidates(self) -> list[Any]:
        """The next block of architectures."""
        start = self.round * self.block_size
        return self.kept[start : start + self.block_size]

    def evaluate(self, candidate: Any) -> Evaluation:
        """Score an architecture by every indicator."""
        return self.scorer.evaluate(candidate)

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
            {f"search/{name}": float(count) for name, count in counts.items()}
            | self._shares()
            | self._best_so_far(),
            on_step=False,
            on_epoch=True,
            batch_size=1,
        )

    def _shares(self) -> dict[str, float]:
        """Share of the architectures drawn that each constraint refused."""
        return {
            f"search/refused_{name.removeprefix('budget.')}": count / self.tried
            for name, count in self.filtering.refused.items()
        }

    def _best_so_far(self) -> dict[str, float]:
        """Scores of the best architecture so far."""
        scores = self.scores
        index = best(self.indicator, scores)
        winner = None if index is None else scores[index]
        return {
            f"search/best_{one.name}": score
            for one, score in zip(self.indicators, winner or (), strict=winner is not None)
        }

    def counts(self) -> dict[str, int]:
        """Architectures drawn, filtered, evaluated so far, and failed among these."""
        return {
            "drawn": self.tried,
            "filtered": self.tried - len(self.kept),
            "evaluated": self.evaluation_count,
            "failed": self.scores.count(None),
        }

    def progress(self) -> dict[str, int]:
        """What the bar shows: evaluations so far, and architectures kept and refused unscored."""
        kept = len(self.kept)
        return super().progress() | {"feasible": kept, "refused": self.tried - kept}

    def result(self) -> dict[str, Any]:
        """The architecture, its depth and width, and how it was found."""
        return {
            **describe_architecture(self.space, self.architecture),
            **describe_costs(self.budget, self.architecture),
            "settings": self.settings(),
            "counts": self.counts(),
            "refused": dict(self.filtering.refused),
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
            f"{against_budget(self.budget, self.architecture)}; train it with: "
            + how_to_train(self.space, self.images, self.costs.sizes, self.result_path)
        )
