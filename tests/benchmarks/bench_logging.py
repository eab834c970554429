"""What logging costs: the quickstart with all that it leaves for TensorBoard, and without.

Both are the command as it is typed, from the start of Python to the last picture; and its fit
alone, in one process. Measuring the kernel is part of both sides: it is what the run is for.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from functools import partial
from pathlib import Path

import pytorch_lightning as pl
import torch
from _measure import Bench, Cost, Result, main, processor_ms, summarise
from pytorch_lightning.loggers import TensorBoardLogger

from callbacks import NTKMonitor, RunRecord, TopologyMonitor
from datamodules import DigitsDataModule
from models import DagMLPClassifier

ROOT = Path(__file__).parents[2]


def command(folder: str, logged: bool) -> Cost:
    """Run the quickstart by the command line."""
    line = [sys.executable, "-m", "lightning_app", "fit"]
    line += ["--config", f"{ROOT}/configs/quickstart.yaml"]
    line += [] if logged else ["--trainer.logger", "false"]
    variables = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    start = processor_ms()
    subprocess.run(line, cwd=folder, env=variables, capture_output=True, check=True)
    return Cost(processor_ms() - start, 0.0)


def fit(bench: Bench, epochs: int, logged: bool) -> Cost:
    """Fit as the quickstart does, in the working folder."""
    data = DigitsDataModule(batch_size=64)
    model = DagMLPClassifier(
        "2_21_112",
        data.in_shape,
        data.num_classes,
        width=64,
        optimizer=partial(torch.optim.SGD, lr=0.05, momentum=0.9),
    )
    callbacks: list[pl.Callback] = [TopologyMonitor(), NTKMonitor(probe_size=64), RunRecord()]
    logger = TensorBoardLogger("runs", "quickstart", default_hp_metric=False) if logged else False
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        log_every_n_steps=10,
        logger=logger,
        callbacks=callbacks,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    return bench.time(lambda: trainer.fit(model, data))


def measure(bench: Bench) -> Iterator[Result]:
    """Turn by turn, so that a machine that is busy slows both; a quick run is of the fit alone."""
    commands, fits = bench.pick((12, 10), (0, 1))
    whole: dict[bool, list[Cost]] = {True: [], False: []}
    alone: dict[bool, list[Cost]] = {True: [], False: []}
    name, naive = "the quickstart with all that it logs", "the same without a logger"
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for _ in range(commands):
            for logged in whole:
                whole[logged].append(command(folder, logged))
        if commands:
            yield summarise(name, naive, "processor", whole[True], whole[False])
        for logged in alone:
            fit(bench, 1, logged)  # warms up
        for _ in range(fits):
            for logged in alone:
                alone[logged].append(fit(bench, bench.pick(15, 1), logged))
    yield summarise(f"{name}, its fit alone", naive, "processor", alone[True], alone[False])


if __name__ == "__main__":
    main("logging", measure)
