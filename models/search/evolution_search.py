"""Search by evolution: mutants of the best, by one objective or between several."""

from collections.abc import Sequence
from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_info

from models.analysis.csv_file import write_csv
from models.analysis.front import Front, table
from models.benchmarks import HardwareTable
from models.search.base import Search
from models.search.budget import Budget
from models.search.constraints import Filter, Filtering
from models.search.costs import COSTS
from models.search.describe import (
    against_budget,
    describe,
    describe_architecture,
    describe_costs,
    how_to_train,
)
from models.search.evolution_archive import Archive, check_numbers, checked_objectives
from models.search.evolution_draws import Draws
from models.search.evolution_result import counts_of, csv_rows, members_of
from models.search.evolution_rules import Objective, fittest, youngest
from models.search.feasible import refusals
from models.search.sampling_rules import indicators_of
from models.search.scoring import Evaluation, Scorer, check_indicators
from models.spaces import SearchSpace, as_space
from models.spaces.sizes import check_sizes


class EvolutionSearch(Search):
    """Evolve architectures towards one objective, or the front between several.

    With one objective this is regularised evolution (Real et al., arXiv 1802.01548): parents are
    the best of `tournament` draws from the `population` evaluated last, whoever is oldest dies.
    With several it is NSGA-II (Deb et al. 2002): those live that fewest fronts and least crowded
    neighbours are ahead of. Children are mutants, of one parent or of what two have in common. What
    was evaluated, or is isomorphic to it (`SearchSpace.canonical`), is not evaluated again; what
    the filter or the budget refuses is not evaluated at all.

    An epoch is a generation, the first of which is drawn at random, and which a kill loses at most.
    The merits of a `RankAggregate` are ranks among everything evaluated so far.

    Args:
        images: DataModule whose training images the scores are taken on.
        space: the search space, or its name; it has a `mutate`.
        objectives: one or a list: indicators, a `RankAggregate`, and costs of the network that
            would be trained, `parameters`, `multiply_adds` or `latency_ms`. By default
            `ActivationOverlap`.
        evaluations: architectures to evaluate.
        population: how many live, and are drawn at random at first.
        offspring: architectures per generation after the first.
        tournament: draws of which the best becomes a parent; by default a fifth of the population
            with one objective, 2 with several.
        crossover: chance that a child has two parents.
        filter: the constraints that an architecture must meet to be scored, one or a list.
        budget: upper bounds on the costs of the network that would be trained, by cost.
        sizes: of the network that would be trained, as `space.network` takes them.
        hardware: a table of latencies, instead of measuring them.
        proxy: sizes of the scored networks and the batch, as in `SamplingSearch`.
        batch_size: images, instead of the proxy's.
        network: sizes as `space.network` takes them, instead of the proxy's.
        cache: file where scores are kept and looked up, for other searches or the next try.
        seed: of architectures, weights and images.

    Raises:
        ValueError: an argument out of range, or a space without `mutate`.
    """

    def __init__(
        self,
        images: pl.LightningDataModule,
        space: SearchSpace | str,
        objectives: Objective | list[Objective] | None = None,
        evaluations: int = 500,
        population: int = 50,
        offspring: int = 10,
        tournament: int | None = None,
        crossover: float = 0.5,
        filter: Filter = None,
        budget: dict[str, float] | None = None,
        sizes: dict[str, Any] | None = None,
        hardware: HardwareTable | None = None,
        proxy: Literal["small", "paper"] = "small",
        batch_size: int | None = None,
        network: dict[str, int] | None = None,
        cache: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(images, seed)
        if proxy not in ("small", "paper"):
            raise ValueError(f"proxy: expected 'small' or 'paper', got {proxy!r}")
        self.space = as_space(space)
        if type(self.space).mutate is SearchSpace.mutate:
            raise ValueError(f"space: {self.space.name} has no mutate(), which evolution needs")
        self.objectives = checked_objectives(objectives)
        scored = [one for one in self.objectives if not isinstance(one, str)]
        self.indicators = tuple(
            {one.name: one for group in scored for one in indicators_of(group)}.values()
        )
        check_indicators(self.indicators, "objectives")
        setting = self.space.proxy(proxy, scored[0].name)
        self.batch_size = setting.batch_size if batch_size is None else batch_size
        network = dict(setting.network) if network is None else network
        check_sizes(self.space.network, network, f"{self.space.name} networks", "network")
        if tournament is None:
            tournament = max(2, population // 5) if len(self.objectives) == 1 else 2
        check_numbers(
            evaluations=(evaluations, 1, self.space.count),
            population=(population, 2, None),
            offspring=(offspring, 1, None),
            tournament=(tournament, 1, None),
            crossover=(crossover, 0, 1),
            batch_size=(self.batch_size, 2, None),
        )
        self.evaluations = evaluations
        self.population = population
        self.offspring = offspring
        self.tournament = tournament
        self.crossover = crossover
        self.filter = filter
        self.hardware = hardware
        self.budget = Budget.of(budget, self.space, self.images, sizes, hardware)
        self.costs = self.budget.costs
        in_shape, classes = self.images.in_shape, self.images.num_classes
        self.filtering = Filtering(filter, self.space, in_shape, classes, self.budget)
        self.scorer = Scorer(
            self.space, self.images, self.indicators, network, self.batch_size, seed, cache
        )
        named = {*self.objectives, *self.budget.bounds}
        self._costs_named = [name for name in COSTS if name in named]
        self.archive = Archive(self.space, self.objectives)
        """Everything that was evaluated."""
        breeding = tournament, crossover, seed
        self._draws = Draws(self.filtering, self.budget, self._costs_named, *breeding)
        self._next: dict[str, Any] = {}

    # The search's state ------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether all evaluations are done, or nothing new is left to evaluate."""
        return bool(self.history) and not self._next["children"]

    def front(self) -> Front | None:
        """Return the front over everything evaluated; None while nothing has a score.

        With one objective it holds the ten best.
        """
        return self.archive.front(prefer_first=bool(self.budget.bounds))

    @property
    def architecture(self) -> Any:
        """The chosen architecture so far. Raises ValueError while nothing has a score."""
        front = self.front()
        if front is None:
            raise ValueError("architecture: nothing has been scored yet")
        return self.space.parse(front.names[front.members[front.chosen]])

    def settings(self) -> dict[str, Any]:
        """Return the settings that decide the result."""
        return {
            "search": type(self).__name__,
            "objectives": describe(self.objectives),
            "evaluations": self.evaluations,
            "population": self.population,
            "offspring": self.offspring,
            "tournament": self.tournament,
            "crossover": self.crossover,
            "filter": describe(self.filter),
            "budget": self.budget.bounds or None,
            "sizes": self.costs.sizes or None,
            "hardware": describe(self.hardware, leave_out=("path",)),
            "seed": self.seed,
            **self.scorer.setting(),
        }

    def state(self) -> dict[str, Any]:
        """The generation that comes next, as drawn, and the latencies that it was drawn by."""
        return {"next": self._next, "latencies": self.costs.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on with the generation that was drawn."""
        self._next = state["next"]
        self.costs.load_state(state["latencies"])
        self.archive = Archive(self.space, self.objectives)
        self.archive.add(entry for done in self.history for entry in done["candidates"])

    # A generation --------------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        """Draw images and crops, open the cache, and say where latencies are measured."""
        self.costs.device = self.device
        self.scorer.prepare(self.device)
        super().on_fit_start()

    def candidates(self) -> list[Any]:
        """The generation's children, or the first population.

        Raises:
            ValueError: of the space, `filter` and `budget` let nothing through.
        """
        if not self.history:
            self._next = self._draw()
            if not self._next["children"]:
                raise ValueError(
                    f"filter: keeps none of {self._next['drawn']} architectures drawn; refused by "
                    f"{refusals(self.filtering)}"
                )
        return [self.space.parse(text) for text in self._next["children"]]

    def _draw(self) -> dict[str, Any]:
        """Draw the next generation; every process draws the same."""
        left = self.evaluations - len(self.archive)
        if not self.history:
            return self._draws.first(min(self.population, left))
        living = self.history[-1]["population"]
        return self._draws.next(min(self.offspring, left), self.archive, living, self.round)

    def evaluate(self, candidate: Any) -> Evaluation:
        """Score an architecture by every indicator."""
        return self.scorer.evaluate(candidate)

    def decide(self, evaluations: Sequence[Evaluation]) -> None:
        """Record and log the generation, decide who lives, and draw the next one.

        Raises:
            ValueError: the search is at its end and no evaluation succeeded.
        """
        drawn = self._next
        entries: list[dict[str, Any]] = [
            {"candidate": text, **({"costs": costs} if costs else {}), **evaluation}
            for text, costs, evaluation in zip(
                drawn["children"], drawn["costs"], evaluations, strict=True
            )
        ]
        before = self.history[-1]["population"] if self.history else []
        new = range(len(self.archive), len(self.archive) + len(entries))
        self.archive.add(entries)
        values = self.archive.values
        self.history.append(
            {
                "round": self.round,
                "evaluated": len(entries),
                "candidates": entries,
                "population": youngest(values, self.population)
                if len(self.objectives) == 1
                else fittest(values, [*before, *new], self.population),
                **{name: drawn[name] for name in ("drawn", "known", "refused")},
            }
        )
        self._next = self._draw()
        if self.finished and not any(values):
            raise ValueError(f"no evaluation succeeded: {entries[0]['error']}")
        self._log(drawn)

    def _log(self, drawn: dict[str, Any]) -> None:
        """Log counts so far, the generation's share refused by each rule, and the best so far."""
        figures = {"evaluated": len(self.archive), "failed": self.archive.failed}
        shares = {
            f"refused_{name.removeprefix('budget.')}": drawn["refused"].get(name, 0)
            / max(1, drawn["drawn"])
            for name in self.filtering.names
        }
        logged = {f"search/{name}": float(value) for name, value in (figures | shares).items()}
        logged |= {f"search/{name}": value for name, value in self.archive.best().items()}
        self.log_dict(logged, on_step=False, on_epoch=True, batch_size=1)

    # The result ----------------------------------------------------------------------------------

    def counts(self) -> dict[str, Any]:
        """Architectures drawn so far, and of these known, refused, evaluated and failed."""
        return counts_of(self.history)

    def progress(self) -> dict[str, int]:
        """What the bar shows: evaluations so far, and architectures refused unscored."""
        return super().progress() | {"refused": self.filtering.refused.total()}

    def result(self) -> dict[str, Any]:
        """The chosen architecture, the members of the front, and how they were found."""
        front = self.front()
        assert front is not None
        return {
            **describe_architecture(self.space, self.architecture),
            **describe_costs(self.budget, self.architecture),
            "chosen": f"#{front.chosen + 1}, {front.why}",
            "members": members_of(front, self.space, self.budget, self._costs_named),
            "settings": self.settings(),
            "counts": self.counts(),
            "refused": self.counts()["refused"],
            "evaluations": self.evaluation_count,
            "seconds": round(self.seconds, 3),
            "rounds": self.history,
        }

    def _write_result(self) -> None:
        """Write `front.csv` beside `architecture.json`, on rank 0."""
        super()._write_result()
        front = self.front()
        if front is None or self.result_path is None or not self.trainer.is_global_zero:
            return
        members = members_of(front, self.space, self.budget, self._costs_named)
        write_csv(self.result_path.with_name("front.csv"), csv_rows(members))

    def on_fit_end(self) -> None:
        """Print the front."""
        super().on_fit_end()
        front = self.front()
        if self.finished and front is not None:
            rank_zero_info(table(front))

    def summary(self) -> str:
        """One line on what was chosen, why and what to type next, or how far the search came."""
        front, counts = self.front(), self.counts()
        if not self.finished or front is None:
            return f"{counts['evaluated']} of {self.evaluations} architectures evaluated"
        before = "had already finished; " if self.was_finished else ""
        missing = self.evaluations > counts["evaluated"]
        early = f" of {self.evaluations}, as nothing new was left" if missing else ""
        return (
            f"{before}chose #{front.chosen + 1} of {len(front.members)}, {front.why}: "
            f"{self.space.format(self.architecture)} among {counts['drawn']}: {counts['known']} "
            f"known, {sum(counts['refused'].values())} refused, {counts['evaluated']} evaluated"
            f"{early}, {counts['failed']} failed, {self.seconds:.0f} s"
            f"{against_budget(self.budget, self.architecture)}; train it (#2: the second) with: "
            + how_to_train(self.space, self.images, self.costs.sizes, self.result_path)
        )
