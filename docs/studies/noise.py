"""How far the order of a score depends on weights and images, and what averaging them gains.

    python docs/studies/noise.py ../shared/data --cells 100 --seeds 5

Scores the same connected NAS-Bench-201 cells under several seeds, each with images and weights of
its own, at the setting of `atlas.py`. Prints Kendall's τ between the orders of two seeds, and the τ
with CIFAR-10 test accuracy of the log-ranks averaged over 1, 2, 3, … seeds, in the mean of all
choices of seeds, beside the time that they take.
"""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _places import PLACES, architectures_of
from _study import Array, images, print_table, use_one_thread
from atlas import AGGREGATES, DEFAULT, FITTED, NORMALISATION, log_ranks, scorers, times
from scipy.stats import kendalltau

SETS = {
    **{name: (name,) for name in ("synflow", "near", "meco", "activation_overlap")},
    **{name: (name,) for name in ("trainability", "expressivity", "progressivity")},
    "AZ-NAS": FITTED["AZ-NAS"],
    **{name: AGGREGATES[name] for name in ("NEAR + trainability + parameters", DEFAULT)},
}


def averaged(by_seed: Sequence[Array], truth: Array, many: int) -> float:
    """Return τ with the truth of log-ranks averaged over `many` seeds, in the mean of choices."""
    found = [
        kendalltau(np.sum([by_seed[i] for i in own], axis=0), truth)[0]
        for own in itertools.combinations(range(len(by_seed)), many)
    ]
    return float(np.mean(found))


def main(arguments: Sequence[str] | None = None) -> None:
    """Score under every seed, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the table and the images")
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    parser.add_argument("--average", type=int, nargs="+", default=[1, 2, 3, 5], help="seeds")
    parser.add_argument("--cache", type=Path, default=Path("runs/study_atlas.jsonl"))
    args = parser.parse_args(arguments)
    if not 2 <= max(args.average) <= args.seeds:
        parser.error(f"--average: expected up to {args.seeds} seeds, got {args.average}")
    use_one_thread()
    place = PLACES["nasbench201"]
    table = place.read(args.data)
    chosen = architectures_of(place, table, args.cells)
    truth = np.array([table[place.space.format(one)]["cifar10"] for one in chosen])
    names = sorted({part for parts in SETS.values() for part in parts})
    scores: dict[str, list[Array]] = {name: [] for name in names}
    with images(args.data, **NORMALISATION) as source:
        source.prepare_data()
        source.setup("fit")
        for seed in range(args.seeds):
            for scorer in scorers(place, list(scores), source, args.cache, seed):
                rows = [scorer.evaluate(one).get("scores", {}) for one in chosen]
                for one in scorer.indicators:
                    column = [row.get(one.name, [-np.inf])[0] for row in rows]
                    scores[one.name].append(np.array(column))
        taken = times(place, list(scores), source, chosen[:3])
    shown = []
    for title, parts in SETS.items():
        by_seed = [
            log_ranks({name: scores[name][s] for name in parts}, parts) for s in range(args.seeds)
        ]
        pairs = [kendalltau(a, b)[0] for a, b in itertools.combinations(by_seed, 2)]
        ms = sum(taken[name] for name in parts)
        gains = [f"{averaged(by_seed, truth, k):.3f}, {k * ms:.0f} ms" for k in args.average]
        spread = np.std([kendalltau(own, truth)[0] for own in by_seed])
        shown.append([title, f"{np.mean(pairs):.3f}", f"{spread:.3f}", *gains])
    print(f"{len(chosen)} cells, {args.seeds} seeds\n")
    header = [
        "between two seeds",
        "spread of τ over seeds",
        *(f"{k} averaged" for k in args.average),
    ]
    print_table(["score", *header], shown)


if __name__ == "__main__":
    main()
