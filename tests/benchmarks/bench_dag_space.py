"""The whole space of 4 nodes in one fit against fits of its members one after another.

Digits, width 64, batch 64, SGD; seconds per member and epoch, of the wall clock and of the
processors (which a busy machine does not flatter). Members one after another: a sample of the
space, each an ordinary fit of `DagMLPClassifier`.

Run it from the root of the checkout: `python tests/benchmarks/bench_dag_space.py [epochs]`.
"""

import logging
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable

import pytorch_lightning as pl
import torch
from torch.optim import SGD

from datamodules import DigitsDataModule
from models import DagMLPClassifier, DagSpaceClassifier
from models.topology import enumerate_dags

WIDTH, SAMPLE = 64, 12


def fit(model: pl.LightningModule, epochs: int) -> None:
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, DigitsDataModule(batch_size=64, validation=0))


def seconds(run: Callable[[], None]) -> tuple[float, float]:
    wall, processors = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - processors


def main() -> None:
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")

    def optimizer(parameters: object) -> SGD:
        return SGD(parameters, lr=0.01)  # type: ignore[arg-type]

    space = [str(dag) for dag in enumerate_dags(4)]
    sample = space[:: len(space) // SAMPLE][:SAMPLE]

    def one_by_one() -> None:
        for dag in sample:
            fit(DagMLPClassifier(dag, (1, 8, 8), 10, WIDTH, optimizer=optimizer), epochs)

    def together() -> None:
        fit(DagSpaceClassifier((1, 8, 8), 10, space, width=WIDTH, optimizer=optimizer), epochs)

    fit(DagMLPClassifier("2", (1, 8, 8), 10, WIDTH, optimizer=optimizer), 1)  # first calls allocate
    naive = seconds(one_by_one)
    ours = seconds(together)
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), {os.cpu_count()} cores, "
        f"{platform.processor() or platform.machine()}; load {os.getloadavg()[0]:.1f}; "
        f"{len(space)} members, width {WIDTH}, {epochs} epochs"
    )
    for clock, one, all_ in zip(("wall clock", "processors"), naive, ours, strict=True):
        one_epoch, our_epoch = one / len(sample) / epochs, all_ / len(space) / epochs
        print(
            f"{clock}: one by one {1e3 * one_epoch:.1f} ms per member and epoch, together "
            f"{1e3 * our_epoch:.1f} ms: {one_epoch / our_epoch:.1f} times as fast"
        )


if __name__ == "__main__":
    main()
