"""How indicators rank random NAS-Bench-201 cells, and what each score costs.

    python docs/studies/indicators.py ../shared/data --cells 500 --batch 64 --output scores.csv

Scores random cells on images of CIFAR-10 in one thread, and compares the orders with the test
accuracies after 200 epochs; times are of the processor. Scores are appended to the file as they
come: a second call continues where the first was stopped, `--cells 0` only reports.
"""

import argparse
import csv
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from _study import CIFAR10, DATASETS, accuracies, images, print_table, use_one_thread
from scipy.stats import kendalltau, spearmanr
from torch import nn

from models.benchmarks import AccuracyTable
from models.indicators import (
    VKDNW,
    ActivationOverlap,
    Expressivity,
    Flops,
    GradientFlow,
    Grasp,
    Indicator,
    JacobianCovariance,
    Layers,
    LinearRegions,
    MeCo,
    Near,
    NTKConditionNumber,
    Parameters,
    Progressivity,
    Snip,
    Swap,
    SynFlow,
    Trainability,
    ZiCo,
)
from models.networks import initialise_
from models.spaces import NasBench201Space
from models.topology import effective_depth_width

INDICATORS: dict[str, Indicator] = {
    "activation_overlap": ActivationOverlap(),
    "synflow": SynFlow(),
    "snip": Snip(),
    "grasp": Grasp(),
    "jacobian_covariance": JacobianCovariance(),
    "zico_2": ZiCo(2),
    "zico_8": ZiCo(8),
    "gradient_flow": GradientFlow(),
    "expressivity": Expressivity(),
    "progressivity": Progressivity(),
    "trainability": Trainability(),
    "vkdnw_entropy": VKDNW(add_layers=False),
    "ntk_frozen": NTKConditionNumber("frozen"),
    "ntk_coupled": NTKConditionNumber("coupled"),
    "linear_regions": LinearRegions(),
    "near": Near(),
    "meco": MeCo(),
    "meco_8": MeCo(8),
    "swap": Swap(),
    "parameters": Parameters(),
    "layers": Layers(),
    "flops": Flops(),
}
ON_NOISE = {"meco", "meco_8"}
"""Scored on what they are defined on, N(0, 1) in the shape of the images; VKDNW on the images."""
FIELDS = ("cell", "setting", "score", "milliseconds", "failure")
Rows = dict[tuple[str, str], dict[str, str]]


class Setting(NamedTuple):
    """The networks and images that cells are scored on."""

    channels: int = 4
    cells_per_stage: int = 1
    batch: int = 64
    initialisation: str = "torch"
    seed: int = 0


def read(path: Path) -> Rows:
    """Read the complete rows of a file of scores, by (cell, indicator)."""
    if not path.exists():
        return {}
    with path.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["failure"] is not None]
    return {(row["cell"], row["setting"]): row for row in rows}


def cells_of(rows: Rows) -> list[str]:
    """List the cells of a file in the order in which they were drawn."""
    return list(dict.fromkeys(cell for cell, _ in rows))


def scores_of(rows: Rows, name: str) -> dict[str, float]:
    """Return an indicator's scores by cell, higher is better; failures are missing."""
    sign = 1 if INDICATORS[name].higher_is_better else -1
    return {
        cell: sign * float(row["score"])
        for (cell, own), row in rows.items()
        if own == name and row["score"]
    }


def milliseconds_of(rows: Rows, name: str) -> float:
    """Return the median time of an indicator's scores."""
    taken = sorted(
        float(r["milliseconds"]) for (_, own), r in rows.items() if own == name and r["score"]
    )
    return taken[len(taken) // 2]


def depths_and_widths(cells: Sequence[str]) -> list[tuple[float, float]]:
    """Return effective depth and width of each cell."""
    space = NasBench201Space()
    found = (effective_depth_width(space.topology(space.parse(cell))) for cell in cells)
    return [(float(depth), float(width)) for depth, width in found]


def score_cells(
    data: Path,
    cells: Sequence[str],
    names: Sequence[str],
    setting: Setting,
    output: Path,
    minutes: float,
) -> None:
    """Append to a file the scores of some cells that it lacks, until time is up."""
    done, end = read(output), time.monotonic() + 60 * minutes
    missing = [(cell, name) for cell in cells for name in names if (cell, name) not in done]
    if not missing:
        return
    new = not output.exists()
    with images(data, **CIFAR10) as source, output.open("a", newline="") as lines:
        source.prepare_data()
        source.setup("fit")
        x, labels = source.probe(setting.batch, setting.seed)
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(setting.seed))
        crops = torch.randn(3000, 1, 3, 3, generator=torch.Generator().manual_seed(setting.seed))
        writer = csv.DictWriter(lines, FIELDS)
        if new:
            writer.writeheader()
        elif not output.read_text().endswith("\n"):
            lines.write("\n")
        for cell, name in missing:
            if time.monotonic() > end:
                return
            values = ("", "", "")
            try:
                batch = noise if name in ON_NOISE else x, labels
                score, took = _score(cell, INDICATORS[name], setting, batch, crops)
                values = (repr(score), f"{1000 * took:.2f}", "")
            except (ValueError, ArithmeticError) as error:
                values = ("", "", str(error))
            writer.writerow(dict(zip(FIELDS, (cell, name, *values), strict=True)))
            lines.flush()


def _score(
    cell: str,
    indicator: Indicator,
    setting: Setting,
    batch: tuple[torch.Tensor, torch.Tensor],
    crops: torch.Tensor,
) -> tuple[float, float]:
    """Return a cell's score and the seconds that it took; the same weights for all indicators."""
    network, (x, labels) = _network(cell, indicator, setting), batch
    start = time.process_time()
    score = indicator.score(network, crops if indicator.proxy == "regions" else x, labels)
    return score, time.process_time() - start


def _network(cell: str, indicator: Indicator, setting: Setting) -> nn.Module:
    space = NasBench201Space()
    architecture = space.parse(cell)
    if indicator.proxy == "regions":
        network: nn.Module = space.region_network(mask=space.mask_of(architecture))
    else:
        network = space.network(
            architecture, channels=setting.channels, cells_per_stage=setting.cells_per_stage
        )
    with torch.random.fork_rng():
        torch.manual_seed(setting.seed)
        for module in network.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    if setting.initialisation != "torch":
        generator = torch.Generator().manual_seed(setting.seed)
        initialise_(network, setting.initialisation, generator)
    return network


def report(rows: Rows, table: AccuracyTable) -> None:
    """Print Kendall's τ on three datasets and Spearman's ρ on the first, of each indicator."""
    names = sorted({name for _, name in rows})
    columns = {name: scores_of(rows, name) for name in names}
    cells = cells_of(rows)
    shapes = dict(zip(cells, depths_and_widths(cells), strict=True))
    columns["effective_depth"] = {cell: depth for cell, (depth, _) in shapes.items()}
    columns["effective_width"] = {cell: width for cell, (_, width) in shapes.items()}
    layers, entropy = columns.get("layers", {}), columns.get("vkdnw_entropy", {})
    if both := layers.keys() & entropy.keys():
        columns["vkdnw"] = {cell: layers[cell] + entropy[cell] for cell in entropy if cell in both}
    shown = []
    for name, scores in columns.items():
        if not scores:
            continue
        values = list(scores.values())
        taus = [kendalltau(values, [table[c][d] for c in scores])[0] for d in DATASETS.values()]
        rho = spearmanr(values, [table[c]["cifar10"] for c in scores])[0]
        failed = sum(own == name and not row["score"] for (_, own), row in rows.items())
        ms = f"{milliseconds_of(rows, name):.1f}" if name in names else "–"
        correlations = (f"{value:.3f}" for value in (*taus, rho))
        shown.append([name, str(len(scores)), str(failed), ms, *correlations])
    print_table(
        ["indicator", "cells", "failed", "ms", *(f"τ {d}" for d in DATASETS), "ρ CIFAR-10"], shown
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Score what the file lacks, and report all that it holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the table and the images")
    parser.add_argument("--cells", type=int, default=500)
    parser.add_argument("--channels", type=int, default=4)
    parser.add_argument("--cells-per-stage", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64, help="images")
    parser.add_argument("--init", choices=("torch", "fan_in", "fan_out"), default="torch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--settings", default=",".join(INDICATORS), help="indicators, with commas")
    parser.add_argument("--minutes", type=float, default=20, help="stop after so long")
    parser.add_argument("--output", type=Path, required=True, help="CSV that is appended to")
    args = parser.parse_args(arguments)
    use_one_thread()
    table = accuracies(args.data)
    cells = random.Random(args.seed).sample(sorted(table), args.cells)
    setting = Setting(args.channels, args.cells_per_stage, args.batch, args.init, args.seed)
    names = args.settings.split(",")
    if unknown := set(names) - INDICATORS.keys():
        parser.error(
            f"--settings: expected some of {', '.join(INDICATORS)}, got {', '.join(unknown)}"
        )
    score_cells(args.data, cells, names, setting, args.output, args.minutes)
    report(read(args.output), table)


if __name__ == "__main__":
    main()
