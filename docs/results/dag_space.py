"""The tables of docs/results/dag_space.md, from the reports of fits of one space of DAGs.

    python docs/results/dag_space.py RUN [OTHER_RUN ...]

RUN is the folder of the main run; the others train the same DAGs at other learning rates.
"""

import sys
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from models.analysis.dag_space_figures import PAPER_DAGS
from models.analysis.dag_space_table import PREDICTORS, DagSpaceTable, rank_correlations, read_csv


def markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def convergence(table: DagSpaceTable) -> str:
    """Spearman's ρ and Kendall's τ of each predictor, over all DAGs."""
    found = {(row["predictor"], row["outcome"]): row for row in rank_correlations(table)}
    last = max(table.curves["train_accuracy"])
    epochs = sorted({1, max(last // 4, 1), max(last // 2, 1), last})
    outcomes = ["epochs_to_reach", *(f"train_accuracy_{epoch}" for epoch in epochs)]
    header = ["predictor", "epochs to target", *(f"accuracy, epoch {epoch}" for epoch in epochs)]
    rows = []
    for predictor, meaning in PREDICTORS.items():
        cells = [found[predictor, outcome] for outcome in outcomes]
        rows.append([meaning, *(f"{c['spearman']:+.2f} / {c['kendall']:+.2f}" for c in cells)])
    return markdown(header, rows)


def at_equal_paths(table: DagSpaceTable) -> str:
    """ρ with the last accuracy among DAGs of one number of paths."""
    table = table.by_dag()
    paths, accuracy = table.predictors["paths"], last_accuracy(table)
    groups = [paths == p for p in np.unique(paths) if (paths == p).sum() > 2]
    header = ["predictor", *(f"{int(paths[g][0])} path(s), {g.sum()} DAGs" for g in groups)]
    rows = []
    for predictor, meaning in PREDICTORS.items():
        x = table.predictors[predictor]
        if predictor != "paths":
            rows.append([meaning, *(f"{spearman(x[g], accuracy[g]):+.2f}" for g in groups)])
    return markdown(header, rows)


def over_rates(tables: Mapping[str, DagSpaceTable]) -> str:
    """ρ with the last accuracy of first repeats in each run, and with the best run of each DAG."""
    firsts = {name: first_repeats(table) for name, table in tables.items()}
    outcomes = {name: last_accuracy(table) for name, table in firsts.items()}
    outcomes["best of all"] = np.max(list(outcomes.values()), axis=0)
    some = next(iter(firsts.values()))
    rows = [
        [meaning, *(f"{spearman(some.predictors[name], y):+.2f}" for y in outcomes.values())]
        for name, meaning in PREDICTORS.items()
    ]
    rows.append(["*median accuracy*", *(f"{np.median(y):.3f}" for y in outcomes.values())])
    return markdown(["predictor", *outcomes], rows)


def paper_dags(table: DagSpaceTable) -> str:
    """Those of the paper's three DAGs that were trained: means over repeats."""
    table = table.by_dag()
    curve = table.curves["train_accuracy"]
    epochs = sorted({1, max(len(curve) // 4, 1), len(curve)})
    shown = ("paper_bound", "nngp_lambda_min", "ntk_condition_number")
    header = [
        "DAG",
        *(PREDICTORS[name] for name in shown),
        *(f"accuracy, epoch {e}" for e in epochs),
    ]
    rows = []
    for dag, name in PAPER_DAGS.items():
        if dag not in table.dags:
            continue
        row = table.dags.index(dag)
        values = [f"{table.predictors[p][row]:.3g}" for p in shown]
        rows.append([f"{name} `{dag}`", *values, *(f"{curve[e][row]:.3f}" for e in epochs)])
    return markdown(header, rows)


def notes(table: DagSpaceTable) -> Iterator[str]:
    """How far repeats agree, and what the depth/width filter keeps."""
    parts = [where(table, np.array(table.repeats) == r) for r in sorted(set(table.repeats))]
    for name, of in (
        ("last accuracy", last_accuracy),
        ("κ(NTK)", lambda part: part.predictors["ntk_condition_number"]),
    ):
        pairs = [spearman(of(a), of(b)) for a, b in combinations(parts, 2)]
        yield f"ρ between repeats, {name}: " + ", ".join(f"{pair:+.2f}" for pair in pairs)
    table = table.by_dag()
    accuracy = last_accuracy(table)
    kept = table.predictors["distance_from_centre"] <= 0.5
    yield (
        f"last accuracy, mean over DAGs: {accuracy[kept].mean():.4f} for the {kept.sum()} that the "
        f"filter keeps, {accuracy[~kept].mean():.4f} for the {(~kept).sum()} others"
    )
    best = np.argsort(-accuracy)
    yield "best: " + ", ".join(f"{table.dags[i]} {accuracy[i]:.3f}" for i in best[:5])
    yield "worst: " + ", ".join(f"{table.dags[i]} {accuracy[i]:.3f}" for i in best[-5:])


def last_accuracy(table: DagSpaceTable) -> Any:
    curve = table.curves["train_accuracy"]
    return curve[max(curve)]


def first_repeats(table: DagSpaceTable) -> DagSpaceTable:
    return where(table, np.array(table.repeats) == 0)


def where(table: DagSpaceTable, rows: Any) -> DagSpaceTable:
    return DagSpaceTable(
        [dag for dag, kept in zip(table.dags, rows, strict=True) if kept],
        [repeat for repeat, kept in zip(table.repeats, rows, strict=True) if kept],
        {name: values[rows] for name, values in table.predictors.items()},
        table.epochs_to_reach[rows],
        {name: {e: v[rows] for e, v in curve.items()} for name, curve in table.curves.items()},
    )


def spearman(x: Any, y: Any) -> float:
    if len(set(x.tolist())) < 2 or len(set(y.tolist())) < 2:
        return float("nan")
    return float(stats.spearmanr(stats.rankdata(x), stats.rankdata(y))[0])


def main(folders: list[str]) -> None:
    tables = {
        Path(folder).parent.name: read_csv(Path(folder) / "dag_space" / "members.csv")
        for folder in folders
    }
    table = next(iter(tables.values()))
    sections = [paper_dags(table), convergence(table), at_equal_paths(table)]
    sections += [over_rates(tables)] if len(tables) > 1 else []
    print("\n\n".join([*sections, *notes(table)]))


if __name__ == "__main__":
    main(sys.argv[1:])
