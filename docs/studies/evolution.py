"""How much better evolution searches than as many random samples, over seeds.

    python docs/studies/evolution.py ../shared/data nasbench201 front
    python docs/studies/evolution.py ../shared/data darts --indicators EffectiveDepth EffectiveWidth

Scores are taken once, with the weights and images of seed 0, and kept in `--cache`: a second call
continues where the first was stopped. A seed decides what is drawn.

* `nasbench201`: the default aggregate over one cell of each isomorphism class of the space is the
  merit; after how many evaluations an evolution holds one of the ten best, and the place of the
  best of as many random cells.
* `darts`: an aggregate of the evolution's best genotype and of the best of as many random ones, by
  ranks over the union of both.
* `front`: SynFlow against parameters on NAS-Bench-201 (N = 1): the hypervolume of the front that
  NSGA-II finds and of that of as many random cells.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _study import CIFAR10, images, print_table, use_one_thread
from pymoo.indicators.hv import HV

from models import indicators
from models.indicators import (
    RankAggregate,
    SynFlow,
)
from models.search import Costs, Scorer
from models.search.evolution_rules import (
    Parents,
    draw_children,
    fittest,
    ranked,
    values_of,
    youngest,
)
from models.search.sampling_rules import indicators_of
from models.seeding import generator
from models.spaces import DartsSpace, NasBench201Space, SearchSpace

Entry = dict[str, Any]


def evolve(
    space: SearchSpace,
    objectives: Sequence[Any],
    score: Callable[[Any], Entry],
    args: argparse.Namespace,
    seed: int,
) -> list[Entry]:
    """Evolve by the rules of `EvolutionSearch`, without a fit; entries in order of evaluation."""
    architectures: list[Any] = []
    entries: list[Entry] = []
    living: list[int] = []
    several, number = len(objectives) > 1, 0
    tournament = 2 if several else max(2, args.population // 5)
    while len(entries) < args.evaluations:
        values = values_of(objectives, entries)
        parents = Parents(
            [architectures[i] for i in living], ranked(values, living), tournament, args.crossover
        )
        count = min(args.offspring if entries else args.population, args.evaluations - len(entries))
        draw = generator(seed, "sample", number)
        found = draw_children(space, parents, count, architectures, lambda _: True, draw)
        new = range(len(entries), len(entries) + len(found.architectures))
        architectures += found.architectures
        entries += [score(one) for one in found.architectures]
        values, number = values_of(objectives, entries), number + 1
        living = (
            fittest(values, [*living, *new], args.population)
            if several
            else youngest(values, args.population)
        )
    return entries


def sample(
    space: SearchSpace, score: Callable[[Any], Entry], args: argparse.Namespace, seed: int
) -> list[Entry]:
    """Score as many different random architectures."""
    draw = generator(seed, "sample", 1_000_000)
    found = draw_children(space, Parents(), args.evaluations, [], lambda _: True, draw)
    return [score(one) for one in found.architectures]


def aggregate_of(args: argparse.Namespace) -> RankAggregate:
    """Return the aggregate of the indicators asked for, or the default one."""
    names = args.indicators
    return RankAggregate([getattr(indicators, name)() for name in names] if names else None)


def scorer_of(source: Any, space: SearchSpace, score: Any, cache: Path) -> Scorer:
    """Score on the space's small proxy, from the weights and images of seed 0."""
    network, batch_size = space.proxy("small", score.name)
    scorer = Scorer(space, source, indicators_of(score), network, batch_size, 0, str(cache))
    source.prepare_data()
    source.setup("fit")
    scorer.prepare(torch.device("cpu"))
    return scorer


def with_texts(scorer: Scorer) -> Callable[[Any], Entry]:
    """Return what scores an architecture and keeps its text."""
    return lambda one: {"candidate": scorer.space.format(one), **scorer.evaluate(one)}


def study_nasbench201(source: Any, args: argparse.Namespace) -> None:
    """Print after how many evaluations each seed holds one of the ten best of the whole space."""
    space, aggregate = NasBench201Space(), aggregate_of(args)
    score = with_texts(scorer_of(source, space, aggregate, args.cache))
    cells = list(dict.fromkeys(map(space.canonical, space.architectures())))[: args.cells]
    whole = [score(cell) for cell in cells]
    values = [own[0] if own else -np.inf for own in values_of([aggregate], whole)]
    order = sorted(range(len(cells)), key=lambda i: -values[i])
    place = {whole[i]["candidate"]: number for number, i in enumerate(order, start=1)}
    known = {entry["candidate"]: entry for entry in whole}

    def look_up(cell: Any) -> Entry:
        return known.get(space.format(cell), {"candidate": space.format(cell), "error": "no score"})

    rows = []
    for seed in range(args.seeds):
        found = [
            [place.get(entry["candidate"], len(cells)) for entry in entries]
            for entries in (
                evolve(space, [aggregate], look_up, args, seed),
                sample(space, look_up, args, seed),
            )
        ]
        first = next((i + 1 for i, number in enumerate(found[0]) if number <= 10), None)
        best = [min(numbers) for numbers in found]
        rows.append([str(seed), "–" if first is None else str(first), *map(str, best)])
    within = sum(row[1] != "–" for row in rows)
    print(f"NAS-Bench-201, {len(cells):,} cells: a top-10 cell in {within} of {len(rows)} seeds")
    print_table(["Seed", "evaluations to the top 10", "best place", "of random cells"], rows)


def study_darts(source: Any, args: argparse.Namespace) -> None:
    """Print the best aggregate of each seed's evolution and random samples over their union."""
    space, aggregate = DartsSpace(), aggregate_of(args)
    score = with_texts(scorer_of(source, space, aggregate, args.cache))
    rows = []
    for seed in range(args.seeds):
        both = [
            evolve(space, [aggregate], score, args, seed),
            sample(space, score, args, seed),
        ]
        union = {entry["candidate"]: entry for entries in both for entry in entries}
        values = dict(zip(union, values_of([aggregate], list(union.values())), strict=True))
        best = [
            max(own[0] for entry in entries if (own := values[entry["candidate"]]))
            for entries in both
        ]
        beaten = [sum(own[0] > best[1] for entry in both[0] if (own := values[entry["candidate"]]))]
        rows.append([str(seed), *(f"{value:.3f}" for value in best), *map(str, beaten)])
        print(f"seed {seed}: {rows[-1]}", flush=True)
    better = sum(float(row[1]) > float(row[2]) for row in rows)
    print(
        f"DARTS, {args.evaluations} evaluations: evolution better in {better} of {len(rows)} seeds"
    )
    print_table(["Seed", "evolution", "random samples", "evolved above the best sample"], rows)


def study_front(source: Any, args: argparse.Namespace) -> None:
    """Print the hypervolumes of each seed's NSGA-II and of as many random cells."""
    space = NasBench201Space()
    scorer = scorer_of(source, space, SynFlow(), args.cache)
    costs = Costs(space, source.in_shape, source.num_classes, {"cells_per_stage": 1})

    def score(cell: Any) -> Entry:
        return {**scorer.evaluate(cell), "costs": costs.of(cell, ["parameters"])}

    objectives: list[Any] = [SynFlow(), "parameters"]
    rows = []
    for seed in range(args.seeds):
        both = [evolve(space, objectives, score, args, seed), sample(space, score, args, seed)]
        points = [
            -np.array([own for own in values_of(objectives, entries) if own]) for entries in both
        ]
        union = np.concatenate(points)
        low, high = union.min(axis=0), union.max(axis=0)
        volume = HV(ref_point=np.array([1.0, 1.0]))
        found = [float(volume((own - low) / (high - low))) for own in points]
        rows.append([str(seed), *(f"{value:.4f}" for value in found)])
        print(f"seed {seed}: {rows[-1]}", flush=True)
    larger = sum(float(row[1]) > float(row[2]) for row in rows)
    print(f"Front, {args.evaluations} evaluations: NSGA-II larger in {larger} of {len(rows)} seeds")
    print_table(["Seed", "hypervolume, NSGA-II", "random samples"], rows)


STUDIES = {"nasbench201": study_nasbench201, "darts": study_darts, "front": study_front}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the studies asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the images")
    parser.add_argument("studies", nargs="+", choices=STUDIES)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=500)
    parser.add_argument("--population", type=int, default=50)
    parser.add_argument("--offspring", type=int, default=10, help="architectures per generation")
    parser.add_argument("--crossover", type=float, default=0.5)
    parser.add_argument("--indicators", nargs="+", help="of the aggregate, instead of the default")
    parser.add_argument("--cells", type=int, help="of the whole space, for a trial")
    parser.add_argument("--cache", type=Path, default=Path("runs/study_evolution.jsonl"))
    args = parser.parse_args(arguments)
    use_one_thread()
    with images(args.data, **CIFAR10) as source:
        for name in args.studies:
            STUDIES[name](source, args)


if __name__ == "__main__":
    main()
