"""Which aggregate to rank with and which to find with, chosen without looking at what judges it.

    python docs/studies/choice.py ../shared/data --cells 200

The few candidates are those of `atlas.py`, set down before any was measured. They are compared by
CIFAR-10 validation accuracy on one half of random connected NAS-Bench-201 cells: by Kendall's τ,
and by the mean accuracy of the best-ranked of `--samples`. Both are judged by test accuracy on the
other half, on the other data sets, and on spaces that had no part in the choice, there against the
best single score. Scores are those of `atlas.py`, in the same `--cache`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _atlas_page import every_tau, resamples, taus, with_error
from _places import CELLS
from _study import Array, images, print_table, use_one_thread
from atlas import AGGREGATES, FITTED, NORMALISATION, Scored, log_ranks, measure

from models.benchmarks import read_csv


def found(scores: dict[str, Array], parts: Sequence[str], truth: Array, samples: int) -> Array:
    """Return the accuracy of the best-ranked of `samples` cells, in the mean of 500 draws.

    Args:
        scores: by indicator, (cells,).
        parts: what is aggregated, over the cells of each draw alone.
        truth: accuracies, (cells, datasets).
        samples: cells of a draw.
    """
    random, winners = np.random.default_rng(1), []
    for _ in range(500):
        own = random.choice(len(truth), samples, replace=False)
        total = log_ranks({name: scores[name][own] for name in parts}, parts)
        winners.append(truth[own[total.argmax()]])
    return np.mean(winners, axis=0)


def halves(one: Scored, data: Path, samples: int, count: int) -> None:
    """Compare the candidates on one half, and judge them on the other."""
    table = read_csv(
        data / "nasbench201_validation_accuracy.csv",
        "architecture",
        {"cifar10": "cifar10_valid_200_epochs"},
    )
    validation = np.array([table[text]["cifar10"] for text in one.texts])
    test = np.array(list(one.accuracies.values())).T
    shuffled = np.random.default_rng(0).permutation(len(test))
    ours, other = np.array_split(shuffled, 2)
    rows = []
    for name, parts in (AGGREGATES | FITTED).items():
        if name not in one.scores:
            continue
        first, second = ({n: one.scores[n][half] for n in parts} for half in (ours, other))
        by_tau = taus(log_ranks(first, parts), validation[ours], resamples(len(ours), count))
        by_best = found(first, parts, validation[ours, None], samples)
        total, weights = log_ranks(second, parts), resamples(len(other), count)
        judged = [with_error(taus(total, test[other, d], weights)) for d in range(test.shape[1])]
        best = [f"{a:.2f}" for a in found(second, parts, test[other], samples)]
        title = f"*{name}*" if name in FITTED else name
        rows.append([title, f"{by_tau[0]:.3f}", f"{by_best[0]:.2f}", *judged, *best])
    top = [f"{a:.2f}" for a in _best_of(test[other], samples)]
    dashes = ["–"] * (2 + test.shape[1])
    print(f"NAS-Bench-201: chosen on {len(ours)} cells, judged on {len(other)} others\n")
    datasets = list(one.accuracies)
    header = ["to rank: τ, validation", f"to find: best of {samples}, validation"]
    header += [f"τ {d}" for d in datasets] + [f"best of {samples}, {d}" for d in datasets]
    print_table(["aggregate", *header], [*rows, ["*the best by CIFAR-10*", *dashes, *top]])


def _best_of(truth: Array, samples: int) -> Array:
    """Return the mean accuracies of the best of `samples` cells by the first data set."""
    random = np.random.default_rng(1)
    draws = (random.choice(len(truth), samples, replace=False) for _ in range(500))
    best: Array = np.mean([truth[own[truth[own, 0].argmax()]] for own in draws], axis=0)
    return best


def elsewhere(places: Sequence[Scored], count: int) -> None:
    """Compare each aggregate with the best single score, a column per data set and task."""
    rows: dict[str, list[str]] = {name: [] for name in (*AGGREGATES, *FITTED)}
    within = dict.fromkeys(rows, 0)
    best_row, header = [], []
    for one in places:
        every = every_tau(one, count)
        for dataset in next(iter(every.values())):
            header.append(f"{one.title}, {dataset}")
            single = max(
                (name for name in every if name not in rows),
                key=lambda name: every[name][dataset][0],
            )
            best_row.append(f"{with_error(every[single][dataset])} {single}")
            for name, own in rows.items():
                if name not in every:
                    own.append("–")
                    continue
                gap = every[name][dataset] - every[single][dataset]
                near = gap[0] >= -gap[1:].std()
                within[name] += bool(near)
                own.append(with_error(every[name][dataset]) + (" ✓" if near else ""))
    print("\nElsewhere: ✓ is the best, or within a standard error (paired) of it\n")
    table = [[name, *own, f"{within[name]} of {len(header)}"] for name, own in rows.items()]
    print_table(["aggregate", *header, "✓"], [*table, ["*best single*", *best_row, ""]])


def main(arguments: Sequence[str] | None = None) -> None:
    """Choose, and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the tables and the images")
    parser.add_argument("--cells", type=int, default=200, help="of NAS-Bench-201")
    parser.add_argument("--samples", type=int, default=50, help="cells of a search")
    parser.add_argument("--resamples", type=int, default=200, help="for standard errors")
    parser.add_argument("--minutes", type=float, default=20, help="per space; stop after so long")
    parser.add_argument("--cache", type=Path, default=Path("runs/study_atlas.jsonl"))
    parser.add_argument("--spaces", nargs="+", default=["transnas_micro", "nasbench101", "darts"])
    parser.add_argument("--elsewhere", type=int, help="architectures of each other space")
    args = parser.parse_args(arguments)
    use_one_thread()
    names = sorted({part for parts in AGGREGATES.values() for part in parts})
    with images(args.data, **NORMALISATION) as source:
        source.prepare_data()
        source.setup("fit")
        base = (source, args.data, args.cache)
        first = measure("nasbench201", *base, args.cells, 0, args.minutes, names)
        others = [
            measure(name, *base, args.elsewhere or CELLS[name], 0, args.minutes)
            for name in args.spaces
        ]
    if args.samples > len(first.texts) // 2:
        parser.error(f"--samples: expected at most {len(first.texts) // 2}, got {args.samples}")
    halves(first, args.data, args.samples, args.resamples)
    elsewhere(others, args.resamples)


if __name__ == "__main__":
    main()
