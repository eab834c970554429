"""A search of one's own, the least there is to an evolution (the full one: `EvolutionSearch`).

From the command line, with this folder on Python's path:

    PYTHONPATH=docs/examples lightning fit --config configs/search/quickstart.yaml \
        --trainer.callbacks null --model evolution.Evolution --model.space nasbench201

It is a fit like those of `models`: it shares candidates over processes, writes checkpoints from
which `--ckpt_path last` goes on, and leaves `architecture.json`.
"""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl

from models.indicators import ActivationOverlap
from models.search import Evaluation, Scorer, Search, describe_architecture
from models.seeding import generator
from models.spaces import SearchSpace, as_space


class Evolution(Search):
    """Each generation mutates the best of the `population` evaluated last.

    Args:
        images: DataModule whose training images the scores are taken on.
        space: the search space, or its name.
        generations: how many.
        population: architectures per generation.
        batch_size: images per score.
        seed: of all draws.
    """

    def __init__(
        self,
        images: pl.LightningDataModule,
        space: SearchSpace | str,
        generations: int = 3,
        population: int = 8,
        batch_size: int = 32,
        seed: int = 0,
    ) -> None:
        super().__init__(images, seed)
        self.space, self.generations, self.population = as_space(space), generations, population
        self.batch_size = batch_size
        sizes = self.space.proxy("small", ActivationOverlap.name).network
        self.scorer = Scorer(
            self.space, self.images, [ActivationOverlap()], sizes, batch_size, seed
        )

    def on_fit_start(self) -> None:
        self.scorer.prepare(self.device)

    @property
    def finished(self) -> bool:
        return self.round >= self.generations

    def candidates(self) -> list[Any]:
        draw = generator(self.seed, "sample", self.round)
        if not self.history:
            return [self.space.random_architecture(draw) for _ in range(self.population)]
        recent = [e for e in self.history[-1]["candidates"] if "scores" in e]
        best = max(recent, key=lambda entry: entry["scores"][ActivationOverlap.name])
        parent = self.space.parse(best["candidate"])
        return [parent, *(self.space.mutate(parent, draw) for _ in range(self.population - 1))]

    def evaluate(self, candidate: Any) -> Evaluation:
        return self.scorer.evaluate(candidate)

    def decide(self, evaluations: Sequence[Evaluation]) -> None:
        names = map(self.space.format, self.plan())
        entries = [{"candidate": n, **e} for n, e in zip(names, evaluations, strict=True)]
        self.history.append({"evaluated": len(entries), "candidates": entries})

    def settings(self) -> dict[str, Any]:
        return {"generations": self.generations, "seed": self.seed, **self.scorer.setting()}

    def result(self) -> dict[str, Any]:
        entries = [e for g in self.history for e in g["candidates"] if "scores" in e]
        best = max(entries, key=lambda entry: entry["scores"][ActivationOverlap.name])
        found = describe_architecture(self.space, self.space.parse(best["candidate"]))
        return {**found, "settings": self.settings(), "rounds": self.history}

    def summary(self) -> str:
        return f"found {self.result()['architecture']} in {self.evaluation_count} evaluations"
