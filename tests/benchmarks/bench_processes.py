"""The same search on one process and on two: the clock on the wall, and the same result."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from _measure import Bench, Cost, Result, main, processor_ms, summarise

ROOT = Path(__file__).parents[2]


def run(folder: Path, config: str, devices: int, arguments: list[str]) -> tuple[Cost, str]:
    """Search by the command line: what its rounds took, and what it found.

    The start of Python and of the processes is not counted: it does not grow with the search.
    """
    command = [
        *(sys.executable, "-m", "lightning_app", "fit", "--config", f"{ROOT}/configs/{config}"),
        *("--data", "_images.RandomCIFAR10", "--trainer.accelerator", "cpu"),
        *("--trainer.devices", str(devices), "--trainer.default_root_dir", str(folder)),
        *("--trainer.logger", "false", "--trainer.callbacks", "null"),
        *("--trainer.enable_checkpointing", "false", *arguments),
    ]
    path = os.pathsep.join([str(Path(__file__).parent), str(ROOT)])
    variables = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    start = processor_ms()
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    found = json.loads((folder / "architecture.json").read_text())
    return Cost(processor_ms() - start, 1e3 * found["seconds"]), found["architecture"]


def measure(bench: Bench) -> Iterator[Result]:
    """Both searches; on an accelerator, processes would need one each, so these take CPUs."""
    cases = {
        "pruning search, 36 evaluations on {} images": (
            "search/pruning_nasbench201.yaml",
            "--model.batch_size",
            bench.pick(72, 4),
            ["--model.repeats", "1"],
        ),
        "sampling search (NASWOT), {} cells": (
            "search/sampling_nasbench201.yaml",
            "--model.samples",
            bench.pick(200, 4),
            ["--model.filter", "null"],
        ),
    }
    for title, (config, flag, size, arguments) in list(cases.items())[-bench.pick(2, 1) :]:
        costs: dict[int, list[Cost]] = {1: [], 2: []}
        found = set()
        for _ in range(bench.pick(2, 1)):
            for devices in costs:
                with tempfile.TemporaryDirectory() as folder:
                    cost, architecture = run(
                        Path(folder), config, devices, [flag, str(size), *arguments]
                    )
                costs[devices].append(cost)
                found.add(architecture)
        if len(found) != 1:
            raise AssertionError(f"{config}: the number of processes changes what is found")
        yield summarise(
            f"{title.format(size)}, 2 processes", "1 process", "wall", costs[2], costs[1]
        )


if __name__ == "__main__":
    main("processes", measure)
