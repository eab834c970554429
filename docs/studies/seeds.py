"""Several seeds of several DAGs, and the mean of each with its error.

    python docs/studies/seeds.py runs/seeds --dags 2_21_112 1_01_222 2_02_002 --seeds 0 1 2

trains the quickstart's MLP, each run in the folder `seeds/dag_<dag>_seed_<seed>` below the one
given, and prints accuracy and condition number in the mean over seeds with the standard error. Runs
that are there are read, not repeated. `tensorboard --logdir` of that folder compares them.
"""

import argparse
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from _study import print_table

from lightning_app.cli import main as lightning
from models.analysis import read_runs

QUICKSTART = Path(__file__).resolve().parents[2] / "configs" / "quickstart.yaml"
FIGURES = {
    "effective_depth": "d̄",
    "effective_width": "m̄",
    "ntk/log10_condition_number_at_start": "log₁₀ κ at the start",
    "train/accuracy": "train/accuracy",
    "val/accuracy": "val/accuracy",
    "test/accuracy": "test/accuracy",
}


def train(folder: Path, dag: str, seed: int, epochs: int, width: int) -> None:
    """Train one network, unless it is there."""
    name = f"dag_{dag}_seed_{seed}"
    if (folder / "seeds" / name / "checkpoints").is_dir():
        return
    logger = {"save_dir": folder, "name": "seeds", "version": name}
    own = {"model.dag": dag, "model.width": width, "trainer.max_epochs": epochs}
    options = own | {f"trainer.logger.{key}": value for key, value in logger.items()}
    words = [f"--{key}={value}" for key, value in options.items()]
    quiet = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
    lightning(["fit", f"--config={QUICKSTART}", f"--seed_everything={seed}", *words, *quiet])


def mean_with_error(values: Sequence[float]) -> str:
    """Write the mean and its standard error; the mean alone of a single value."""
    if len(values) < 2:
        return f"{fmean(values):.4f}"
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5  # NaN where a value is infinite
    return f"{fmean(values):.4f} ± {error:.4f}"


def table(runs: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return a row per DAG, of what all of its runs have logged."""
    by_dag: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        by_dag.setdefault(run["hparams.dag"], []).append(run)
    return [
        [
            f"`{dag}`",
            str(len(own)),
            *(mean_with_error([float(run[tag]) for run in own]) for tag in FIGURES),
        ]
        for dag, own in by_dag.items()
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="of the runs")
    parser.add_argument("--dags", nargs="+", default=["2_21_112", "1_01_222", "2_02_002"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--width", type=int, default=64)
    given = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    for dag in given.dags:
        for seed in given.seeds:
            train(given.folder, dag, seed, given.epochs, given.width)
    print_table(["DAG", "seeds", *FIGURES.values()], table(read_runs(given.folder / "seeds").runs))


if __name__ == "__main__":
    main()
