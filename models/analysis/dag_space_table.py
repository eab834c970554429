"""Table of a trained space of DAGs: one row per member, and rank correlations."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from scipy import stats
from torch import Tensor, nn

from models.analysis.depth_width_map import centre_and_radii
from models.indicators import (
    empirical_ntk,
    kernel_spectrum,
    nngp_kernel,
    ntk_spectrum,
    paper_bound,
)
from models.topology import Dag, effective_depth_width

Array = np.ndarray[Any, np.dtype[np.float64]]

PREDICTORS = {
    "effective_depth": "effective depth",
    "effective_width": "effective width",
    "distance_from_centre": "distance from the centre of depth and width",
    "paper_bound": "paper's bound of λ_min(NNGP)",
    "nngp_lambda_min": "λ_min(NNGP), exact",
    "nngp_condition_number": "κ(NNGP), exact",
    "ntk_lambda_min": "λ_min(NTK) at initialisation",
    "ntk_condition_number": "κ(NTK) at initialisation",
    "ntk_lambda_max": "λ_max(NTK) at initialisation",
    "paths": "number of paths",
    "operations": "number of operations",
}
"""Predictors of convergence, by column."""


class Member(Protocol):
    """One network of a population."""

    @property
    def dag(self) -> Dag:
        """Its wiring."""
        ...

    @property
    def repeat(self) -> int:
        """Number of members of the same wiring before it."""
        ...


@dataclass(frozen=True)
class DagSpaceTable:
    """Predictors and outcomes of K networks.

    dags, repeats: of each row.
    predictors: columns of `PREDICTORS`, each (K,).
    epochs_to_reach: (K,), `inf` where never; lower is better.
    curves: `train_accuracy`, `train_loss`, `val_…`: epoch to (K,).
    """

    dags: list[str]
    repeats: list[int]
    predictors: dict[str, Array]
    epochs_to_reach: Array
    curves: dict[str, dict[int, Array]]

    def by_dag(self) -> "DagSpaceTable":
        """One row per DAG: means over its repeats, geometric for eigenvalues; medians of epochs.

        `epochs_to_reach` is thus `inf` where most repeats never arrived.
        """
        dags = list(dict.fromkeys(self.dags))
        rows = [np.flatnonzero(np.array(self.dags) == dag) for dag in dags]

        def mean(values: Array) -> Array:
            return np.array([values[row].mean() for row in rows])

        def log_mean(values: Array) -> Array:
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.exp(mean(np.log(values)))

        return DagSpaceTable(
            dags,
            [0] * len(dags),
            {
                name: log_mean(values) if name.startswith(("ntk", "nngp")) else mean(values)
                for name, values in self.predictors.items()
            },
            np.array([np.median(self.epochs_to_reach[row]) for row in rows]),
            {
                name: {epoch: mean(values) for epoch, values in curve.items()}
                for name, curve in self.curves.items()
            },
        )


def tabulate(
    members: Sequence[Member],
    networks: Iterable[nn.Module],
    images: Tensor,
    epochs_to_reach: Tensor,
    history: Mapping[str, Mapping[int, Tensor]],
) -> DagSpaceTable:
    """Set what may predict convergence beside what training came to.

    Args:
        members: the K networks' wirings.
        networks: these before training.
        images: probes (N, C, H, W).
        epochs_to_reach: (K,), `inf` where never.
        history: `train/accuracy`, …: epoch to (K,).
    """
    return DagSpaceTable(
        [str(member.dag) for member in members],
        [member.repeat for member in members],
        predict(members, networks, images),
        epochs_to_reach.double().numpy(),
        {
            name.replace("/", "_"): {
                epoch: values.double().numpy() for epoch, values in sorted(curve.items())
            }
            for name, curve in history.items()
        },
    )


def predict(
    members: Sequence[Member], networks: Iterable[nn.Module], images: Tensor
) -> dict[str, Array]:
    """The columns of `PREDICTORS`, from wirings, initial networks and probe images (N, C, H, W)."""
    of_dag: dict[Dag, dict[str, float]] = {}
    rows = []
    for member, network in zip(members, networks, strict=True):
        if member.dag not in of_dag:
            of_dag[member.dag] = _of_wiring(member.dag, images)
        ntk = ntk_spectrum(empirical_ntk(network, images))
        of_network = {
            "ntk_lambda_min": max(ntk.lambda_min, 0.0),
            "ntk_condition_number": ntk.condition_number,
            "ntk_lambda_max": ntk.lambda_max,
        }
        rows.append(of_dag[member.dag] | of_network)
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    columns["distance_from_centre"] = _from_centre(
        columns["effective_depth"], columns["effective_width"]
    )
    return {name: columns[name] for name in PREDICTORS}


def _of_wiring(dag: Dag, images: Tensor) -> dict[str, float]:
    depth, width = effective_depth_width(dag)
    nngp = kernel_spectrum(nngp_kernel(dag, images))
    return {
        "effective_depth": depth,
        "effective_width": width,
        "paper_bound": paper_bound(dag, images),
        "nngp_lambda_min": nngp.lambda_min,
        "nngp_condition_number": nngp.condition_number,
        "paths": float(_number_of_paths(dag)),
        "operations": float(sum(value == 2 for _, _, value in dag.active_edges())),
    }


def _number_of_paths(dag: Dag) -> int:
    paths = {0: 1}
    for source, target, _ in dag.active_edges():
        paths[target] = paths.get(target, 0) + paths[source]
    return paths[dag.output]


def _from_centre(depth: Array, width: Array) -> Array:
    """max(|d̄ − d*| / r_d, |m̄ − m*| / r_m): what the filter keeps has ρ or less."""
    centre, radii = centre_and_radii(depth, width)
    gaps = np.abs(np.stack([depth, width]) - centre[:, None])
    farthest: Array = (gaps / np.where(radii > 0, radii, 1.0)[:, None]).max(0)
    return farthest


def rank_correlations(table: DagSpaceTable) -> list[dict[str, Any]]:
    """Of every predictor with every outcome, over the DAGs (means over repeats).

    Outcomes are `epochs_to_reach` (never: the last rank, shared) and the training accuracy after
    each epoch. Each row has `predictor`, `outcome`, `spearman`, `kendall` (τ_b) and `dags`, the
    number of DAGs; NaN where a column has only one value.
    """
    table = table.by_dag()
    outcomes = {"epochs_to_reach": table.epochs_to_reach} | {
        f"train_accuracy_{epoch}": values
        for epoch, values in table.curves["train_accuracy"].items()
    }
    rows = []
    for predictor, x in table.predictors.items():
        for outcome, y in outcomes.items():
            varies = len(set(x.tolist())) > 1 and len(set(y.tolist())) > 1
            # Ranks, since a difference of two infinities is not a number.
            x_ranks, y_ranks = stats.rankdata(x), stats.rankdata(y)
            rows.append(
                {
                    "predictor": predictor,
                    "outcome": outcome,
                    "spearman": float(stats.spearmanr(x_ranks, y_ranks)[0]) if varies else math.nan,
                    "kendall": float(stats.kendalltau(x_ranks, y_ranks)[0]) if varies else math.nan,
                    "dags": len(x),
                }
            )
    return rows


def member_rows(table: DagSpaceTable) -> list[dict[str, Any]]:
    """One row per member, for a CSV file."""
    rows = []
    for index, (dag, repeat) in enumerate(zip(table.dags, table.repeats, strict=True)):
        row: dict[str, Any] = {"member": index, "dag": dag, "repeat": repeat}
        row |= {name: float(values[index]) for name, values in table.predictors.items()}
        row["epochs_to_reach"] = float(table.epochs_to_reach[index])
        for name, curve in table.curves.items():
            row |= {f"{name}_{epoch}": float(values[index]) for epoch, values in curve.items()}
        rows.append(row)
    return rows


def read_csv(path: Path) -> DagSpaceTable:
    """Read what `write_csv` wrote of `member_rows`."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {
        name: np.array([float(row[name]) for row in rows])
        for name in rows[0]
        if name not in ("member", "dag", "repeat")
    }
    curves: dict[str, dict[int, Array]] = {}
    for name in columns:
        if name.startswith(("train_", "val_")):
            curve, epoch = name.rsplit("_", 1)
            curves.setdefault(curve, {})[int(epoch)] = columns[name]
    return DagSpaceTable(
        [row["dag"] for row in rows],
        [int(row["repeat"]) for row in rows],
        {name: columns[name] for name in PREDICTORS},
        columns["epochs_to_reach"],
        curves,
    )


def correlation_text(correlations: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table of Spearman's ρ and Kendall's τ of each predictor."""
    outcomes = list(dict.fromkeys(row["outcome"] for row in correlations))
    # After the last epoch most members may be equal: the middle one tells more apart.
    after = outcomes[1:]
    shown = list(dict.fromkeys([outcomes[0], after[(len(after) - 1) // 2], after[-1]]))
    found = {(row["predictor"], row["outcome"]): row for row in correlations}
    lines = [
        "| predictor | " + " | ".join(f"{name}: ρ, τ" for name in shown) + " |",
        "|---" * (1 + len(shown)) + "|",
    ]
    for predictor, meaning in PREDICTORS.items():
        cells = [found[predictor, outcome] for outcome in shown]
        values = [f"{cell['spearman']:+.2f}, {cell['kendall']:+.2f}" for cell in cells]
        lines.append(f"| {meaning} | " + " | ".join(values) + " |")
    return "\n".join(lines)
