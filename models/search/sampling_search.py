"""Search by sampling: NASWOT, and its filter by depth and width."""

from collections.abc import Sequence
from typing import Any, Literal

import pytorch_lightning as pl

from models.indicators.base import Indicator
from models.indicators.naswot import ActivationOverlap
from models.indicators.rank_aggregate import RankAggregate
from models.search.base import Search
from models.search.constraints import Filter, Filtering
from models.search.describe import describe, describe_architecture
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
        samples: different architectures to draw, the filtered ones among them; None for all that
            `architectures` lists.
        filter: the constraints that an architecture must meet to be scored, one or a list, such as
            `DepthWidthFilter` and `Limit`; by default none.
        indicator: what to score by; several of them as a `RankAggregate`, which ranks all that were
            scored against one another. By default `ActivationOverlap`.
        proxy: sizes of the networks and the batch: `small`, the cheapest on which the indicator
            ranks nearly as well as on any (`SearchSpace.proxy`), or `paper`.
        batch_size: images, instead of the proxy's.
        network: sizes as `space.network` takes them, instead of the proxy's.
        block_size: architectures per epoch.
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
        block_size: int = 24,
        cache: str | None = None,
        seed: int = 0,
        architectures: str | None = None,
    ) -> None:
        super().__init__(images, seed)
        if proxy not in ("small", "paper"):
            raise ValueError(f"proxy: expected 'small' or 'paper', got {proxy!r}")
        self.space = as_space(space)
        self.filter = filter
        self.indicator = ActivationOverlap() if indicator is None else indicator
        self.indicators = indicators_of(self.indicator)
        check_indicators(self.indicators, "indicator")
        setting = self.space.proxy(proxy, self.indicator.name)
        self.batch_size = setting.batch_size if batch_size is None else batch_size
        self.sizes = dict(setting.network) if network is None else network
        check_sizes(self.space.network, self.sizes, f"{self.space.name} networks", "network")
        for name, value, minimum in (
            ("batch_size", self.batch_size, 2),
            ("block_size", block_size, 1),
        ):
            if value < minimum:
                raise ValueError(f"{name}: expected {minimum} or more, got {value}")
        self.block_size = block_size
        self.scorer = Scorer(
            self.space, self.images, self.indicators, self.sizes, self.batch_size, seed, cache
        )
        filtering = Filtering(filter, self.space, self.images.in_shape, self.images.num_classes)
        draws = generator(seed, "sample")
        if architectures is not None:
            drawn = draw_listed(self.space, architectures, samples, draws)
        elif samples is not None:
            drawn = draw_distinct(self.space, samples, draws)
        else:
            raise ValueError("samples: expected a number, or architectures that a file lists")
        self.samples = len(drawn)
        self._listed = None if architectures is None else digest_of(self.space, drawn)
        self.kept = [architecture for architecture in drawn if filtering.keeps(architecture)]
        """The architectures to score, in the order in which they were drawn."""
        if not self.kept:
            refused = ", ".join(f"{name} {n}" for name, n in filtering.refused.items())
            raise ValueError(
                f"filter: keeps none of the {len(drawn)} architectures drawn; refused by {refused}"
            )
        self._scores: list[tuple[float, ...] | None] = []
        self._blocks_read = 0

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
        """Return the settings that decide the result."""
        return {
            "search": type(self).__name__,
            "samples": self.samples,
            "filter": describe(self.filter),
            "indicator": describe(self.indicator),
            "block_size": self.block_size,
            "seed": self.seed,
            **({} if self._listed is None else {"architectures": self._listed}),
            **self.scorer.setting(),
        }

    @property
    def milliseconds(self) -> dict[str, list[float]]:
        """By indicator, what each score that this process computed took by itself."""
        return self.scorer.milliseconds

    def load_state(self, state: dict[str, Any]) -> None:
        """Forget what was read of another history; all else follows from the seed."""
        self._scores, self._blocks_read = [], 0

    # A block -------------------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        """Draw images and crops, and open the cache."""
        self.scorer.prepare(self.device)

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
        return {
            **describe_architecture(self.space, self.architecture),
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
