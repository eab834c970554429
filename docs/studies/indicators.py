"""How indicators rank random NAS-Bench-201 cells, and what they cost.

Scores n random cells on CIFAR-10 images, one thread, and compares the orders with the test
accuracies after 200 epochs; times are of the processor. Run it from the root of the checkout:

    python docs/studies/indicators.py --cells 500 --batch 64 --output scores.csv

Scores are appended to the file as they come. A second call goes on where the first was stopped;
`--cells 0` only reports what is there.
"""

import argparse
import csv
import random
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from scipy.stats import kendalltau, spearmanr

from datamodules import ImageFolderDataModule
from models.indicators.az_nas import Expressivity, Progressivity, Trainability
from models.indicators.base import Indicator
from models.indicators.condition_number import NTKConditionNumber
from models.indicators.gradient_flow import GradientFlow
from models.indicators.grasp import Grasp
from models.indicators.jacobian_covariance import JacobianCovariance
from models.indicators.naswot import ActivationOverlap
from models.indicators.regions import LinearRegions
from models.indicators.size import Flops, Layers, Parameters
from models.indicators.snip import Snip
from models.indicators.synflow import SynFlow
from models.indicators.vkdnw import VKDNW
from models.indicators.zico import ZiCo
from models.networks.initialisation import initialise_
from models.spaces import NasBench201Space
from models.topology import effective_depth_width

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
DATASETS = {
    "CIFAR-10": "CIFAR10TestAccuracy200Epochs",
    "CIFAR-100": "CIFAR100TestAccuracy200Epochs",
    "ImageNet16-120": "ImageNetTestAccuracy200Epochs",
}
SETTINGS: dict[str, Indicator] = {
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
    "parameters": Parameters(),
    "layers": Layers(),
    "flops": Flops(),
}
FIELDS = ("cell", "setting", "score", "milliseconds", "failure")


@contextmanager
def images(count: int, seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """A batch of CIFAR-10, and its labels."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(DATA / "cifar10-jpeg-12k.tar") as archive:
            archive.extractall(folder, filter="data")
        source = ImageFolderDataModule(
            Path(folder) / "cifar10-jpeg", 32, mean=(0.491, 0.482, 0.447), std=(0.247, 0.243, 0.262)
        )
        source.setup("fit")
        yield source.probe(count, seed)


def read(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    """The complete rows of a file by (cell, setting)."""
    if not path.exists():
        return {}
    with path.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["failure"] is not None]
    return {(row["cell"], row["setting"]): row for row in rows}


def score_cells(cells: list[str], names: list[str], args: argparse.Namespace) -> None:
    """Append what is missing to the file, cell by cell."""
    space, done, end = NasBench201Space(), read(args.output), time.monotonic() + 60 * args.minutes
    new = not args.output.exists()
    with images(args.batch, args.seed) as (x, labels), args.output.open("a", newline="") as lines:
        draw = torch.Generator().manual_seed(args.seed)
        crops = torch.randn(3000, 1, 3, 3, generator=draw)
        writer = csv.DictWriter(lines, FIELDS)
        if new:
            writer.writeheader()
        lines.write("" if new or args.output.read_text().endswith("\n") else "\n")
        for cell in cells:
            architecture = space.parse(cell)
            for name in names:
                if (cell, name) in done or time.monotonic() > end:
                    continue
                indicator = SETTINGS[name]
                if indicator.proxy == "regions":
                    try:
                        network = space.region_network(mask=space.mask_of(architecture))
                    except ValueError as error:  # the supernet refuses a node without input
                        write(writer, cell, name, failure=str(error))
                        continue
                else:
                    network = space.network(
                        architecture, channels=args.channels, cells_per_stage=args.cells_per_stage
                    )
                with torch.random.fork_rng():
                    torch.manual_seed(args.seed)
                    for module in network.modules():
                        if hasattr(module, "reset_parameters"):
                            module.reset_parameters()
                if args.init != "torch":
                    initialise_(network, args.init, draw.manual_seed(args.seed))
                start = time.process_time()
                try:
                    score = indicator.score(
                        network, crops if indicator.proxy == "regions" else x, labels
                    )
                except (ValueError, FloatingPointError) as error:
                    write(writer, cell, name, failure=str(error))
                else:
                    took = f"{1000 * (time.process_time() - start):.2f}"
                    write(writer, cell, name, repr(score), took)
            lines.flush()


def write(
    writer: "csv.DictWriter[str]", cell: str, name: str, score: str = "", took: str = "", failure=""
) -> None:
    writer.writerow(dict(zip(FIELDS, (cell, name, score, took, failure), strict=True)))


def report(path: Path, table: dict[str, dict[str, float]]) -> None:
    """Kendall's τ for three datasets and Spearman's ρ for the first, of each setting."""
    rows = read(path)
    names = sorted({name for _, name in rows})
    columns: dict[str, dict[str, float]] = {
        name: {cell: float(r["score"]) for (cell, n), r in rows.items() if n == name and r["score"]}
        for name in names
    }
    signs = {name: 1 if SETTINGS[name].higher_is_better else -1 for name in names}
    space = NasBench201Space()
    for cell in dict.fromkeys(cell for cell, _ in rows):
        depth, width = effective_depth_width(space.topology(space.parse(cell)))
        columns.setdefault("depth", {})[cell] = float(depth)
        columns.setdefault("width", {})[cell] = float(width)
        if cell in columns.get("vkdnw_entropy", {}) and cell in columns.get("layers", {}):
            layers = columns["layers"][cell]
            columns.setdefault("vkdnw", {})[cell] = layers + columns["vkdnw_entropy"][cell]
    print(
        f"{'setting':22s}{'cells':>6s}{'failed':>7s}{'ms':>8s}", *DATASETS, "ρ CIFAR-10", sep="  "
    )
    for name, scores in columns.items():
        taken = sorted(
            float(r["milliseconds"]) for (_, n), r in rows.items() if n == name and r["score"]
        )
        failed = sum(n == name for _, n in rows) - len(taken)
        values = [signs.get(name, 1) * s for s in scores.values()]
        taus = [kendalltau(values, [table[cell][d] for cell in scores]).statistic for d in DATASETS]
        rho = spearmanr(values, [table[cell]["CIFAR-10"] for cell in scores]).statistic
        median = f"{taken[len(taken) // 2]:.1f}" if taken else ""
        print(
            f"{name:22s}{len(scores):6d}{failed:7d}{median:>8s}",
            *(f"{tau:{len(d)}.3f}" for d, tau in zip(DATASETS, taus, strict=True)),
            f"{rho:10.3f}",
            sep="  ",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=500)
    parser.add_argument("--channels", type=int, default=4)
    parser.add_argument("--cells-per-stage", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--init", choices=("torch", "fan_in", "fan_out"), default="torch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--settings", default=",".join(SETTINGS), help="of the dictionary above")
    parser.add_argument("--minutes", type=float, default=20, help="stop after so long")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with (DATA / "nasbench201_test_accuracy.csv").open(newline="") as lines:
        table = {
            row["ArchitectureString"]: {d: float(row[column]) for d, column in DATASETS.items()}
            for row in csv.DictReader(lines)
        }
    cells = random.Random(args.seed).sample(sorted(table), args.cells)
    score_cells(cells, args.settings.split(","), args)
    report(args.output, table)


if __name__ == "__main__":
    main()
