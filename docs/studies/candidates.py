"""Time and memory of a sampling search over many candidates whose score costs next to nothing.

    python docs/studies/candidates.py 10000 30000 100000 --processes 2

Each number of DARTS genotypes is scored by effective depth in a run of its own, as the command line
does it: seconds of the fit, processor milliseconds of the first process per candidate, its greatest
memory, seconds and size of its last checkpoint.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
import torch

from datamodules import DigitsDataModule
from models import SamplingSearch
from models.indicators import EffectiveDepth
from models.spaces import DartsSpace


def measure(samples: int, processes: int, folder: str) -> None:
    """Run one search and print its row."""
    import lightning_app.strategy  # noqa: F401 - registers the strategy of searches

    torch.set_num_threads(1)
    start, before = time.monotonic(), time.process_time()
    search = SamplingSearch(DigitsDataModule(), DartsSpace(), samples, indicator=EffectiveDepth())
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=processes,
        strategy="search" if processes > 1 else "auto",
        max_epochs=-1,
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(search)
    seconds = time.monotonic() - start
    milliseconds = 1000 * (time.process_time() - before) / samples
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    path = Path(folder) / "again.ckpt"
    start = time.monotonic()
    trainer.save_checkpoint(path)
    if trainer.is_global_zero:
        print(
            f"{samples:7d} candidates: {seconds:6.1f} s, {milliseconds:.2f} ms each, "
            f"{memory:5.0f} MB, checkpoint {time.monotonic() - start:.2f} s "
            f"{path.stat().st_size / 1e6:.0f} MB",
            flush=True,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Start a fresh process per row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", type=int, nargs="+")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--folder", help="of the one run that this process does")
    given = parser.parse_args(arguments)
    if given.folder:
        measure(given.samples[0], given.processes, given.folder)
        return
    for samples in given.samples:
        with tempfile.TemporaryDirectory() as folder:
            words = [str(samples), "--processes", str(given.processes), "--folder", folder]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            subprocess.run([sys.executable, __file__, *words], env=environment, check=True)


if __name__ == "__main__":
    main()
