"""Search in stages: cheap scores for all, deeper ones for the best."""

import itertools
from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import Any, Literal

import pytorch_lightning as pl

from models.benchmarks import HardwareTable
from models.search.base import Search
from models.search.budget import Budget
from models.search.constraints import Filter
from models.search.describe import (
    against_budget,
    describe,
    describe_architecture,
    describe_costs,
    describe_images,
    how_to_train,
)
from models.search.sampling_rules import draw_distinct
from models.search.scoring import Evaluation, Scorer
from models.search.staged_limits import StagedLimits
from models.search.staged_rules import (
    Scores,
    Stage,
    check_stages,
    default_stages,
    pool_of,
    ranking,
)
from models.seeding import derive_seed, generator
from models.spaces import SearchSpace, as_space

_NAMED = 10  # architectures of the last stage


class StagedSearch(Search):
    """Rank a whole space by cheap scores and the best of it by deeper ones, untrained.

    One representative of each isomorphism class is scored (`SearchSpace.canonical`); what has no
    path from input to output is left out, and what a constraint or the budget refuses is not
    scored (but a latency that must be measured is asked for when an architecture would go on:
    `StagedLimits`). Within a stage all are ranked against one another. An architecture whose score
    fails or is not finite is recorded with the reason and does not go on; on a tie the one that
    comes first in the space, or in the ranking before, is the better.

    An epoch is a block of candidates of a stage, after which a checkpoint can be written.

    Args:
        images: DataModule whose training images the scores are taken on.
        space: the search space, or its name.
        stages: what ranks, how many go on, and over how many initialisations and draws of images
            ranks are averaged. By default `default_stages`.
        samples: `all` of a space that can list its architectures, or how many different ones to
            draw.
        filter: the constraints that an architecture must meet to be scored, one or a list.
        budget: upper bounds on `parameters`, `multiply_adds` and `latency_ms` of the network that
            will be trained; by default none.
        sizes: of the network that will be trained, as `space.network` takes them.
        hardware: a table of latencies, instead of measuring.
        block_size: scored networks per epoch; a candidate has one for each repeat. By default 100,
            or a fiftieth of the architectures if more.
        cache: file where scores are kept and looked up, for other searches or the next try.
        seed: of what is drawn: architectures, weights and images.

    Raises:
        ValueError: an argument out of range, or nothing to score.
    """

    def __init__(
        self,
        images: pl.LightningDataModule,
        space: SearchSpace | str,
        stages: list[Stage] | None = None,
        samples: int | Literal["all"] = "all",
        filter: Filter = None,
        budget: dict[str, Any] | None = None,
        sizes: dict[str, Any] | None = None,
        hardware: HardwareTable | None = None,
        block_size: int | None = None,
        cache: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(images, seed)
        self.space = as_space(space)
        self.stages = default_stages() if stages is None else stages
        check_stages(self.stages, self.space)
        self.indicators = [one for stage in self.stages for one in stage.indicators]
        if block_size is not None and block_size < 1:
            raise ValueError(f"block_size: expected 1 or more, got {block_size}")
        self.samples = samples
        self.filter = filter
        settings = [stage.setting(self.space) for stage in self.stages]
        self._scorers = [
            [
                Scorer(self.space, self.images, stage.indicators, *setting, own, cache)
                for own in (derive_seed(seed, "evaluation", i) for i in range(stage.repeats))
            ]
            for stage, setting in zip(self.stages, settings, strict=True)
        ]
        self.batch_size = max(setting.batch_size for setting in settings)
        pool = pool_of(
            self.space,
            self.space.architectures()
            if samples == "all"
            else draw_distinct(self.space, samples, generator(seed, "sample")),
        )
        if not pool.architectures:
            raise ValueError(f"samples: {samples} have no path from input to output")
        self.block_size = block_size or max(100, len(pool.architectures) // 50)
        self._prepared: int | None = None
        self._left_out = {"isomorphic": pool.isomorphic, "disconnected": pool.disconnected}
        self.hardware = hardware
        bounds = Budget.of(budget, self.space, self.images, sizes, hardware)
        self._limits = StagedLimits(filter, bounds)
        self.pools: list[list[Any]] = [pool.architectures]
        """The architectures of each stage that has begun; after the last, the best ones."""

    # The search's state ------------------------------------------------------------------------

    @property
    def stage(self) -> int:
        """Index of the stage in progress; the number of stages when all are finished."""
        return len(self.pools) - 1

    @property
    def finished(self) -> bool:
        """Whether the last stage has ranked its candidates."""
        return self.stage == len(self.stages)

    @property
    def architecture(self) -> Any:
        """The best architecture so far. Raises ValueError while nothing has a score."""
        order = [] if self.finished else self._ranking(self.stage)
        if order:
            return self.pools[self.stage][order[0]]
        if self.stage:
            return self.pools[self.stage][0]
        raise ValueError("architecture: nothing has been scored yet")

    def state(self) -> dict[str, Any]:
        """Return the latencies measured; all else follows from the scores."""
        return {"latencies": self._limits.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Work out again who went on."""
        self._limits.costs.load_state(state["latencies"])
        del self.pools[1:]
        self._settle()

    def settings(self) -> dict[str, Any]:
        """Return the settings that decide the result."""
        return {
            "search": type(self).__name__,
            "space": self.space.name,
            "samples": self.samples,
            "filter": describe(self.filter),
            "budget": self._limits.budget.bounds or None,
            "sizes": self._limits.costs.sizes or None,
            "hardware": describe(self.hardware, leave_out=("path",)),
            "stages": [
                describe(stage) | stage.setting(self.space)._asdict() for stage in self.stages
            ],
            "block_size": self.block_size,
            "seed": self.seed,
            "images": describe_images(self.images),
        }

    def _entries(self, stage: int) -> list[dict[str, Any]]:
        """What is on record of a stage's candidates, in their order."""
        blocks = (block["candidates"] for block in self.history if block["stage"] == stage)
        return [entry for block in blocks for entry in block]

    def _ranking(self, stage: int) -> list[int]:
        scores: list[Scores] = [
            None if "error" in entry else entry.get("scores") for entry in self._entries(stage)
        ]
        return ranking(self.stages[stage], scores)

    def _settle(self) -> None:
        """Let the best of every stage that is complete go on."""
        while not self.finished:
            entries, pool = self._entries(self.stage), self.pools[-1]
            if len(entries) < len(pool):
                return
            keep = self.stages[self.stage].keep or _NAMED
            fast = (pool[i] for i in self._ranking(self.stage) if self._limits.is_fast(pool[i]))
            survivors = list(itertools.islice(fast, keep))
            if not survivors:
                errors = [entry["error"] for entry in entries if "error" in entry]
                raise ValueError(
                    f"no evaluation succeeded: {errors[0]}"
                    if errors
                    else self._limits.explain(self.pools[0], self.refused)
                )
            self.pools.append(survivors)

    # A block -------------------------------------------------------------------------------------

    def on_train_epoch_start(self) -> None:
        """Draw the images and crops of a stage that begins, and open the cache."""
        super().on_train_epoch_start()
        self._limits.costs.device = self.device
        if self._prepared != self.stage:
            for scorer in self._scorers[self.stage]:
                scorer.prepare(self.device)
            self._prepared = self.stage

    def candidates(self) -> list[Any]:
        """The next block of the stage."""
        if self.finished:
            return []
        start = len(self._entries(self.stage))
        size = max(1, self.block_size // self.stages[self.stage].repeats)
        return self.pools[-1][start : start + size]

    def evaluate(self, candidate: Any) -> Evaluation:
        """Score an architecture by the stage's indicators, once for each repeat.

        The first repeat that fails is the architecture's failure. What a constraint refuses is not
        scored.
        """
        refused = self._limits.refuses(candidate) if self.stage == 0 else None
        if refused is not None:
            return {"refused": refused}
        repeats: list[Evaluation] = []
        for scorer in self._scorers[self.stage]:
            repeats.append(scorer.evaluate(candidate))
            if "error" in repeats[-1]:
                return {"error": repeats[-1]["error"]}
        names = repeats[0]["scores"]
        return {"scores": {name: [own["scores"][name][0] for own in repeats] for name in names}}

    def decide(self, evaluations: Sequence[Evaluation]) -> None:
        """Record and log the block; after a stage's last, its best go on.

        Raises:
            ValueError: a stage is at its end and no evaluation succeeded.
        """
        stage = self.stage
        entries: list[dict[str, Any]] = [
            {"candidate": self.space.format(architecture), **evaluation}
            for architecture, evaluation in zip(self.plan(), evaluations, strict=True)
        ]
        evaluated = sum("refused" not in entry for entry in entries)
        self.history.append(
            {"round": self.round, "stage": stage, "evaluated": evaluated, "candidates": entries}
        )
        self._settle()
        figures = {f"search/{name}": float(count) for name, count in self.counts().items()}
        figures["search/stage"] = float(stage + 1)
        order = self._ranking(stage)
        best = self._entries(stage)[order[0]]["scores"] if order else {}
        asked = len(self._entries(0))
        figures |= {
            f"search/refused_{name.removeprefix('budget.')}": number / asked
            for name, number in self.refused.items()
        }
        figures |= {f"search/best_{name}": fmean(scores) for name, scores in best.items()}
        self.log_dict(figures, on_step=False, on_epoch=True, batch_size=1)

    def progress(self) -> dict[str, int]:
        """What the bar shows: the stage, evaluations, and architectures refused unscored."""
        stage = min(self.stage + 1, len(self.stages))
        return {"stage": stage, **super().progress(), "refused": sum(self.refused.values())}

    # What was found -------------------------------------------------------------------------------

    @property
    def refused(self) -> dict[str, int]:
        """How many architectures each constraint and bound refused so far."""
        found = Counter(entry["refused"] for entry in self._entries(0) if "refused" in entry)
        if self._limits.too_slow:
            found["budget.latency_ms"] += self._limits.too_slow
        return dict(found)

    def counts(self) -> dict[str, int]:
        """Architectures drawn and left out, with the reason; evaluated so far, and failed."""
        failed = sum("error" in entry for block in self.history for entry in block["candidates"])
        return {
            "drawn": self.space.count if self.samples == "all" else self.samples,
            **self._left_out,
            "filtered": sum(self.refused.values()),
            "evaluated": self.evaluation_count,
            "failed": failed,
        }

    def result(self) -> dict[str, Any]:
        """The architecture, its depth and width, how it was found, and who went on."""
        stages = []
        for index, (stage, survivors) in enumerate(zip(self.stages, self.pools[1:], strict=True)):
            entries = self._entries(index)
            stages.append(
                {
                    "indicators": [one.name for one in stage.indicators],
                    "evaluated": len(entries),
                    "failed": sum("error" in entry for entry in entries),
                    "survivors": [self.space.format(one) for one in survivors],
                }
            )
        return {
            **describe_architecture(self.space, self.architecture),
            **describe_costs(self._limits.budget, self.architecture),
            "settings": self.settings(),
            "counts": self.counts(),
            "refused": self.refused,
            "evaluations": self.evaluation_count,
            "seconds": round(self.seconds, 3),
            "stages": stages,
            "rounds": self.history,
        }

    def summary(self) -> str:
        """One line on what was found, or how far the search came."""
        if not self.finished:
            done, of = len(self._entries(self.stage)), len(self.pools[-1])
            return f"stage {self.stage + 1} of {len(self.stages)}: {done} of {of} scored"
        before = "had already finished; " if self.was_finished else ""
        counts, pools = self.counts(), " → ".join(str(len(pool)) for pool in self.pools[:-1])
        return (
            f"{before}found {self.space.format(self.architecture)}, first by the ranks of stage "
            f"{len(self.stages)}: {pools} of {counts['drawn']} architectures scored, "
            f"{counts['isomorphic']} isomorphic, {counts['disconnected']} without a path, "
            f"{counts['filtered']} filtered, {counts['failed']} failed, {self.seconds:.0f} s"
            f"{against_budget(self._limits.budget, self.architecture)}; train it with: "
            + how_to_train(self.space, self.images, self._limits.costs.sizes, self.result_path)
        )
