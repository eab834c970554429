"""Search by pruning a supernet: TE-NAS, and its reservation by depth and width."""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from torch import Tensor

from models.indicators.base import Indicator
from models.indicators.condition_number import NTKConditionNumber
from models.indicators.regions import LinearRegions
from models.networks import initialise_
from models.search.base import Search
from models.search.budget import Budget
from models.search.describe import (
    describe,
    describe_architecture,
    describe_costs,
    describe_images,
    how_to_train,
)
from models.search.pruning_repeats import Drawing, Repeat
from models.search.pruning_rules import Candidate, choose, gain, groups_of, label, prune, reserved
from models.search.scoring import Evaluation, check_indicators
from models.seeding import generator
from models.spaces import SupernetSpace, as_supernet_space
from models.spaces.sizes import check_sizes


class PruningSearch(Search):
    """Prune a supernet, round by round, to one architecture (Chen et al. 2021, arXiv 2102.11535).

    A round scores the supernet without each candidate operation. Candidates are ranked by the
    relative change of every score, ranks are added, and on every edge the best-ranked go: those
    whose removal lowers κ(NTK) most and costs the fewest linear regions. When every edge has one
    operation left, a space that chooses edges (DARTS) prunes edges in the same way. With
    `depth_width="reserve"`, candidates near the centroid of effective depth and width are kept
    without evaluation (arXiv 2205.05662, §4.2).

    The comparison is paired: within a repeat all candidates share weights, images, crops and the
    unpruned baseline, all drawn anew for each repeat.

    Args:
        images: DataModule whose training images the scores are taken on.
        space: a search space with a supernet, or its name: `nasbench201`, `darts`.
        depth_width: `reserve` or `off`.
        reserve: candidates kept per edge without evaluation (1 where edges are pruned).
        prune_number: operations pruned per edge and round.
        repeats: initialisations over which changes are averaged.
        precision: decimals after which changes are equal.
        batch_norm: how the NTK of the default scores treats BatchNorm: `frozen` or `coupled`;
            `scores` bring their own.
        scores: indicators to rank by; by default κ(NTK) and linear regions.
        batch_size: images for the scores.
        supernet: sizes of the proxy supernet, as `space.supernet` takes them.
        seed: of weights, images and crops.

    Raises:
        ValueError: an argument out of range.
    """

    def __init__(
        self,
        images: pl.LightningDataModule,
        space: SupernetSpace | str,
        depth_width: Literal["reserve", "off"] = "reserve",
        reserve: int = 2,
        prune_number: int = 1,
        repeats: int = 3,
        precision: int = 3,
        batch_norm: Literal["frozen", "coupled"] = "frozen",
        scores: list[Indicator] | None = None,
        batch_size: int = 72,
        supernet: dict[str, int] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(images, seed)
        least = {"reserve": 0, "prune_number": 1, "repeats": 1, "precision": 0, "batch_size": 2}
        given = locals()
        for name, minimum in least.items():
            if given[name] < minimum:
                raise ValueError(f"{name}: expected {minimum} or more, got {given[name]}")
        if depth_width not in ("reserve", "off"):
            raise ValueError(f"depth_width: expected 'reserve' or 'off', got {depth_width!r}")
        if batch_norm not in ("frozen", "coupled"):
            raise ValueError(f"batch_norm: expected 'frozen' or 'coupled', got {batch_norm!r}")
        if scores is not None and batch_norm != "frozen":
            raise ValueError(
                "batch_norm: for the default scores alone; give it to those of `scores`"
            )
        self.space = as_supernet_space(space, type(self).__name__)
        most = sum(operation != "none" for operation in self.space.operations) - 1
        if prune_number > most:
            raise ValueError(
                f"prune_number: expected 1 to {most}, for one of the {most + 1} operations of an "
                f"edge of {self.space.name} stays, got {prune_number}"
            )
        if supernet is not None:
            check_sizes(self.space.supernet, supernet, f"{self.space.name} supernets", "supernet")
        self.depth_width = depth_width
        self.reserve = reserve
        self.prune_number = prune_number
        self.repeats = repeats
        self.precision = precision
        self.scores = (
            [NTKConditionNumber(batch_norm), LinearRegions()] if scores is None else scores
        )
        check_indicators(self.scores, "scores")
        self.batch_size = batch_size
        self.sizes = supernet or {}
        self._drawing = Drawing(self.space, self.images, self.scores, self.sizes, batch_size, seed)
        self.supernet = self._drawing.network("images")
        initialise_(self.supernet, "fan_out", generator(seed, "weights"))
        self._repeats: list[Repeat] = []
        self._budget = Budget.of(None, self.space, self.images, None, None)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the supernet as pruned so far, for monitors; its weights are drawn once."""
        logits: Tensor = self.supernet(images)
        return logits

    def topology(self) -> Any:
        """The graph of the supernet as pruned so far, or one per cell by name."""
        graphs = self.space.topologies(self.mask)
        return graphs if len(graphs) > 1 else next(iter(graphs.values()))

    # The search's state ------------------------------------------------------------------------

    @property
    def mask(self) -> Tensor:
        """Operations left: boolean, (cells, edges, operations)."""
        return self.supernet.mask

    @property
    def finished(self) -> bool:
        """Whether one architecture is left."""
        return not groups_of(self.space, self.mask, self.prune_number)

    @property
    def architecture(self) -> Any:
        """The architecture found. Raises ValueError while there is a choice left."""
        return self.space.architecture_of(self.mask)

    def settings(self) -> dict[str, Any]:
        """Return the settings that decide the result."""
        return {
            "search": type(self).__name__,
            "space": self.space.name,
            "depth_width": self.depth_width,
            "reserve": self.reserve,
            "prune_number": self.prune_number,
            "repeats": self.repeats,
            "precision": self.precision,
            "scores": [describe(score) for score in self.scores],
            "batch_size": self.batch_size,
            "supernet": self.sizes,
            "images": describe_images(self.images),
            "seed": self.seed,
        }

    def state(self) -> dict[str, Any]:
        """The mask."""
        return {"mask": self.mask}

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from a mask."""
        self.supernet.mask = state["mask"]

    # A round -------------------------------------------------------------------------------------

    def candidates(self) -> list[Candidate]:
        """Return the candidates that are not reserved."""
        spared = set(self._reserved())
        groups = groups_of(self.space, self.mask, self.prune_number)
        return [c for group in groups for c in group.candidates if c not in spared]

    def _reserved(self) -> list[Candidate]:
        if self.depth_width == "off":
            return []
        mask = self.mask
        return [
            candidate
            for group in groups_of(self.space, mask, self.prune_number)
            for candidate in reserved(
                self.space,
                mask,
                group,
                self.reserve if group.candidates[0].operation is not None else min(self.reserve, 1),
            )
        ]

    def on_train_epoch_start(self) -> None:
        """Draw the round's weights, images and crops, and score the unpruned supernet."""
        super().on_train_epoch_start()
        with self.own_random_state(), torch.enable_grad():
            self._repeats = [
                self._drawing.draw(self.device, self.mask, self.round, number)
                for number in range(self.repeats)
            ]

    def evaluate(self, candidate: Candidate) -> Evaluation:
        """Scores of the supernet without a candidate, and their gains over the baseline.

        Raises:
            ValueError: a score or a gain is not finite.
        """
        mask = candidate.apply(self.mask)
        scores: dict[str, list[float]] = {score.name: [] for score in self.scores}
        for number, repeat in enumerate(self._repeats):
            for name, value in repeat.score(mask).items():
                if not math.isfinite(value):
                    raise ValueError(f"{name} is {value} in repeat {number}")
                scores[name].append(value)
        return {"scores": scores, "gains": self._gains(scores)}

    def _gains(self, scores: dict[str, list[float]]) -> dict[str, float]:
        """Per score, the mean over repeats of the rounded relative improvement by the removal."""
        gains = {}
        for score in self.scores:
            changes = [
                gain(repeat.base[score.name], value, score.higher_is_better)
                for repeat, value in zip(self._repeats, scores[score.name], strict=True)
            ]
            if not all(map(math.isfinite, changes)):
                raise ValueError(f"{score.name}: no relative change from a score of 0")
            gains[score.name] = fmean(round(change, self.precision) for change in changes)
        return gains

    def decide(self, evaluations: Sequence[Evaluation]) -> None:
        """Prune, record and log the round.

        Raises:
            ValueError: no candidate could be evaluated.
        """
        mask = self.mask
        groups = groups_of(self.space, mask, self.prune_number)
        candidates = self.plan()
        spared = self._reserved()
        gains: dict[Candidate, list[float]] = {}
        entries: list[dict[str, Any]] = []
        for candidate, evaluation in zip(candidates, evaluations, strict=True):
            entries.append({"candidate": label(self.space, candidate), **evaluation})
            if "gains" in evaluation:
                gains[candidate] = list(evaluation["gains"].values())
        if not gains:
            raise ValueError(f"round {self.round}: no evaluation succeeded: {entries[0]['error']}")
        pruned = choose(groups, gains, self.precision)
        self.supernet.mask = prune(mask, pruned)
        self.history.append(
            {
                "round": self.round,
                "evaluated": len(candidates),
                "reserved": [label(self.space, candidate) for candidate in spared],
                "base": {s.name: [r.base[s.name] for r in self._repeats] for s in self.scores},
                "candidates": entries,
                "pruned": [label(self.space, candidate) for candidate in pruned],
            }
        )
        self._repeats = []
        self.log_dict(
            {
                "search/operations_left": float(self.mask.sum()),
                "search/evaluated": float(len(candidates)),
                "search/reserved": float(len(spared)),
                "search/failed": float(len(candidates) - len(gains)),
            },
            on_step=False,
            on_epoch=True,
            batch_size=1,
        )

    def result(self) -> dict[str, Any]:
        """The architecture, its depth and width, and how it was found."""
        return {
            **describe_architecture(self.space, self.architecture),
            **describe_costs(self._budget, self.architecture),
            "settings": self.settings(),
            "evaluations": self.evaluation_count,
            "failed": self._failed(),
            "seconds": round(self.seconds, 3),
            "rounds": self.history,
        }

    def _failed(self) -> int:
        return sum("error" in entry for done in self.history for entry in done["candidates"])

    def summary(self) -> str:
        """One line on what was found, or how far the search came."""
        if not self.finished:
            left = int(self.mask.sum())
            return f"is not finished: {left} operations left after round {self.round}"
        before = "had already finished; " if self.was_finished else ""
        return (
            f"{before}found {self.space.format(self.architecture)} in {self.round} rounds, "
            f"{self.evaluation_count} evaluations, {self._failed()} failed, {self.seconds:.0f} s; "
            "train it with: " + how_to_train(self.space, self.images, {}, self.result_path)
        )
