"""Does a search for one's own photos earn its place?

    python docs/studies/photos.py ../shared/data --photos signs cifar

For every budget of parameters and every seed, networks of the mobile space are trained by one
recipe and tested: the one that `EvolutionSearch` finds by the default aggregate, ten random ones
that keep the budget (mean and best), of these the one with the most multiply–adds and the one that
is nearest the middle of the space's effective depth and width (the paper's rule), and torchvision's
MobileNetV2 and ShuffleNetV2 at the greatest width that the budget allows. `signs` is 15 photos of
each of ten hand signs for training and the rest for testing; `cifar` is CIFAR-10 as JPEG files.

Every training is a line of `--results`; a second call goes on where the first was stopped. The
second table is Kendall's τ of each indicator's scores of the random networks with their accuracies.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from _study import print_table, run, unpacked, use_one_thread
from scipy.stats import kendalltau
from torch import nn
from torch.optim import AdamW
from torchvision.models import MobileNetV2, ShuffleNetV2

from datamodules import ImageFolderDataModule
from models import EvolutionSearch, ImageClassifier
from models.indicators import (
    EffectiveDepth,
    Flops,
    GradientFlow,
    Layers,
    Near,
    Parameters,
    Progressivity,
    RankAggregate,
    SynFlow,
    Trainability,
    ZiCo,
)
from models.networks.cost import parameters
from models.schedulers import WarmupCosine
from models.search import Scorer
from models.search.constraints import Filtering
from models.search.feasible import draw_feasible
from models.spaces import MobileNetSpace
from models.topology import effective_depth_width

SPACE = MobileNetSpace()
SETS = {
    "signs": ("sign-digits.tar", "sign-digits", 0.927),
    "cifar": ("cifar10-jpeg-12k.tar", "cifar10-jpeg", 0.0),
}
"""Archive, its folder, share held out for testing where there is no folder."""
CIFAR = 10_000
"""Photos of `cifar` for training."""
SIZE = 32
"""Height and width of all photos."""
SIZES = {"reduction": 16}
"""As torchvision's networks with a stem of stride 1."""
SHUFFLENET = (24, 48, 96, 192, 1024)
INDICATORS = (
    SynFlow(),
    Parameters(),
    Layers(),
    Flops(),
    Trainability(),
    Progressivity(),
    ZiCo(),
    GradientFlow(),
    Near(),
    EffectiveDepth(),
)
LAST = "ShuffleNetV2"
"""The arm trained last."""
ARMS = (
    "searched",
    "random, mean",
    "random, best",
    "most multiply–adds",
    "middle depth and width",
    "MobileNetV2",
    LAST,
)


def published(build: Callable[[float], nn.Module], budget: float, shape: Any) -> nn.Module | None:
    """Return the widest of torchvision's networks in the budget, with a stem of stride 1."""
    for width in np.arange(2, 0.04, -0.05):
        network = build(float(width))
        stem = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
        stem.stride = (1, 1)
        if parameters(network, shape) <= budget:
            return network
    return None


def shufflenet(width: float) -> nn.Module:
    """Every number of channels scaled, and even."""
    channels = [max(2, 2 * round(width * one / 2)) for one in SHUFFLENET]
    return ShuffleNetV2([4, 8, 4], channels, num_classes=10)


def accuracy(network: nn.Module, data: ImageFolderDataModule, epochs: int, seed: int) -> float:
    """Train by the recipe of `configs/train_photos.yaml` to the last epoch, and test."""
    pl.seed_everything(seed, verbose=False)
    network.to(memory_format=torch.channels_last)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
            module.reset_parameters()
    model = Smoothed(
        network,
        data.num_classes,
        optimizer=lambda weights: AdamW(weights, lr=0.003, weight_decay=0.05),
        scheduler=lambda optimizer: WarmupCosine(optimizer, epochs, min(3, epochs - 1)),
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
        )
        trainer.fit(model, datamodule=data)
        return 100 * trainer.test(model, datamodule=data, verbose=False)[0]["test/accuracy"]


class Smoothed(ImageClassifier):
    """Trains with label smoothing, as the recipe does."""

    def __init__(self, network: nn.Module, num_classes: int, **kwargs: Any) -> None:
        super().__init__(network, num_classes, **kwargs)
        self.criterion = nn.CrossEntropyLoss(label_smoothing=0.1)


@contextmanager
def photos(name: str, args: argparse.Namespace, seed: int) -> Iterator[ImageFolderDataModule]:
    """Open one of the sets; the seed decides what is trained on."""
    archive, folder, test = SETS[name]
    left_out = 1 - args.cifar / CIFAR if name == "cifar" else 0.0
    with unpacked(args.data / archive) as root:
        yield ImageFolderDataModule(
            root / folder,
            SIZE,
            batch_size=64,
            test=test,
            validation=left_out,
            augment="photo",
            seed=seed,
        )


class Study:
    """One set of photos, one budget, one seed; what is known is not trained again."""

    def __init__(self, name: str, budget: float, seed: int, args: argparse.Namespace) -> None:
        self.key = {"photos": name, "budget": budget, "seed": seed, "epochs": args.epochs[name]}
        if name == "cifar":
            self.key["training"] = args.cifar
        self.args = args
        self.known = {
            row["arm"]: row
            for row in map(json.loads, read_lines(args.results))
            if all(row.get(k) == value for k, value in self.key.items())
        }

    def trained(self, arm: str, network: Callable[[], nn.Module | None], **more: Any) -> None:
        """Train, unless it is known, and write a line."""
        if arm in self.known:
            return
        built = network()
        if built is None:
            value, count = None, None
        else:
            count = parameters(built, self.data.in_shape)
            value = accuracy(built, self.data, self.key["epochs"], self.key["seed"])
        row = {**self.key, "arm": arm, "accuracy": value, "parameters": count, **more}
        with self.args.results.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(row, flush=True)

    def run(self, data: ImageFolderDataModule) -> None:
        """Train every arm."""
        self.data, seed, budget = data, self.key["seed"], self.key["budget"]
        shape, classes = data.in_shape, data.num_classes
        data.setup("fit")
        search = EvolutionSearch(
            data,
            SPACE,
            RankAggregate(),
            self.args.evaluations,
            min(20, self.args.evaluations),
            20,
            budget={"parameters": budget},
            sizes=SIZES,
            seed=seed,
        )
        if "searched" not in self.known:
            run(search)
            found = search.architecture
            self.trained(
                "searched", lambda: SPACE.network(found, classes, **SIZES), text=SPACE.format(found)
            )
        costs, bounds = search.costs, search.budget  # which know the first generation's
        filtering = Filtering(None, SPACE, shape, classes, bounds)
        drawn = draw_feasible(SPACE, self.args.random, filtering, bounds, seed).kept
        missing = [i for i in range(len(drawn)) if f"random {i}" not in self.known]
        scorer = Scorer(SPACE, data, INDICATORS, *SPACE.proxy("small", "any"), seed)
        if missing:
            scorer.prepare(torch.device("cpu"))
        for i in missing:
            (graph,) = SPACE.topologies(drawn[i]).values()
            scores = scorer.evaluate(drawn[i])["scores"]
            more = {name: values[0] for name, values in scores.items()}
            more["multiply_adds"] = costs.of(drawn[i], ["multiply_adds"])["multiply_adds"]
            more["from_middle"] = from_middle(effective_depth_width(graph))
            self.trained(
                f"random {i}", lambda i=i: SPACE.network(drawn[i], classes, **SIZES), **more
            )
        for name, build in (
            ("MobileNetV2", lambda width: MobileNetV2(classes, width)),
            (LAST, shufflenet),
        ):
            self.trained(name, lambda build=build: published(build, budget, shape))


def from_middle(depth_width: Any) -> float:
    """Distance from the middle of the space's depth and width, in units of their radii."""
    extremes = SPACE.extremes()
    return float(
        sum(
            (2 * value - float(sum(ends))) ** 2 / float(ends[1] - ends[0]) ** 2
            for value, ends in zip(depth_width, extremes, strict=True)
        )
    )


def read_lines(path: Path) -> list[str]:
    """Lines of a file; none where it is not there."""
    return path.read_text().splitlines() if path.is_file() else []


def arms_of(rows: list[dict[str, Any]]) -> dict[str, float | None]:
    """Accuracy of each arm in one run of one seed."""
    value = {row["arm"]: row["accuracy"] for row in rows}
    drawn = [row for row in rows if row["arm"].startswith("random ")]
    own = [row["accuracy"] for row in drawn]
    return {
        "searched": value.get("searched"),
        "random, mean": fmean(own),
        "random, best": max(own),
        "most multiply–adds": max(drawn, key=lambda row: row["multiply_adds"])["accuracy"],
        "middle depth and width": min(drawn, key=lambda row: row["from_middle"])["accuracy"],
        "MobileNetV2": value.get("MobileNetV2"),
        "ShuffleNetV2": value.get("ShuffleNetV2"),
    }


def report(rows: list[dict[str, Any]]) -> None:
    """Print both tables of all results."""
    groups: dict[tuple[str, float], dict[int, list[dict[str, Any]]]] = {}
    for row in rows:
        seeds = groups.setdefault((row["photos"], row["budget"]), {})
        seeds.setdefault(row["seed"], []).append(row)
    for key, seeds in groups.items():  # of a study that was stopped, what is whole
        groups[key] = {s: own for s, own in seeds.items() if own[-1]["arm"] == LAST}
    groups = {key: seeds for key, seeds in groups.items() if seeds}
    table = []
    for (name, budget), seeds in groups.items():
        found = [arms_of(own) for own in seeds.values()]
        cells = [written([one[arm] for one in found]) for arm in ARMS]
        table.append([name, f"{budget:,.0f}", str(len(found)), *cells])
    print_table(["Photos", "budget", "seeds", *ARMS], table)
    names = [one.name for one in INDICATORS]
    table = []
    for name in names:
        cells = []
        for seeds in groups.values():
            taus = []
            for own in seeds.values():
                drawn = [row for row in own if row["arm"].startswith("random ")]
                scores, values = ([row[k] for row in drawn] for k in (name, "accuracy"))
                taus.append(float(kendalltau(scores, values).statistic))
            cells.append(f"{np.nanmean(taus):.2f}")
        table.append([name, *cells])
    print()
    print_table(["Indicator", *(f"{n}, {b:,.0f}" for n, b in groups)], table)


def written(values: list[float | None]) -> str:
    """Mean and standard error; a dash where nothing fits."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    error = f" ± {stdev(known) / len(known) ** 0.5:.1f}" if len(known) > 1 else ""
    return f"{fmean(known):.1f}{error}"


def main(arguments: list[str] | None = None) -> None:
    """Train what is not known yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the archives of photos")
    parser.add_argument("--photos", nargs="+", choices=SETS, default=["signs"])
    parser.add_argument("--budgets", nargs="+", type=float, default=[50_000, 200_000, 800_000])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", nargs=2, type=int, default=[60, 6], help="of signs, of cifar")
    parser.add_argument("--random", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=60, help="of a search, as in its config")
    parser.add_argument("--cifar", type=int, default=CIFAR, help="photos of cifar for training")
    parser.add_argument("--results", type=Path, default=Path("runs/study_photos.jsonl"))
    args = parser.parse_args(arguments)
    args.epochs = dict(zip(SETS, args.epochs, strict=True))
    args.results.parent.mkdir(parents=True, exist_ok=True)
    use_one_thread()
    for name in args.photos:
        for seed in args.seeds:
            with photos(name, args, seed) as data:
                for budget in args.budgets:
                    Study(name, budget, seed, args).run(data)
    report([json.loads(line) for line in read_lines(args.results)])


if __name__ == "__main__":
    main()
