"""What the benchmarks share: clocks, growth of cost, and a record of what was measured where."""

import argparse
import json
import logging
import os
import platform
import resource
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import pytorch_lightning as pl
import torch

from models.indicators._autograd.untouched import full_precision

RESULTS = Path(__file__).parent / "results"
Clock = Literal["processor", "wall"]
T = TypeVar("T")


class Cost(NamedTuple):
    """Milliseconds of the processors, of child processes that have ended too, and on the wall."""

    processor: float
    wall: float


class Pair(NamedTuple):
    """The same work, done by this project and in the naive way; each returns what it found."""

    ours: Callable[[], Any]
    naive: Callable[[], Any]


@dataclass(frozen=True)
class Result:
    """A line of the table; times are medians over the repeats.

    name: what was done, with its size.
    naive: in words, the naive way.
    ours_ms, naive_ms: what it took, by `clock`: `processor` bears other work on the machine,
        `wall` is for several processes and for an accelerator.
    ratio: naive_ms / ours_ms.
    exponent: p of cost ∝ work^p, fitted to `costs_ms` (ours) over `sizes`; None: not applicable.
    of: what `sizes` count; None where there is no exponent.
    """

    name: str
    naive: str
    ours_ms: float
    naive_ms: float
    ratio: float
    exponent: float | None
    of: str | None
    clock: Clock
    sizes: list[int]
    costs_ms: list[float]


def processor_ms() -> float:
    """Processor time of this process, and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * (time.process_time() + children.ru_utime + children.ru_stime)


def fit_exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The power p of costs ∝ sizes^p, by least squares over the logarithms.

    Raises:
        ValueError: fewer than two sizes, or one that is not positive.
    """
    if len(set(sizes)) < 2 or min(*sizes, *costs) <= 0:
        raise ValueError(f"sizes: expected two or more, all positive, got {sizes} and {costs}")
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def environment(device: torch.device) -> dict[str, Any]:
    """Where a measurement was made."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "lightning": pl.__version__,
    }


def _cpu() -> str:
    """The processor's name, which `platform` does not know on every Linux."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@dataclass(frozen=True)
class Bench:
    """How a script measures: in full, or `quick`, in seconds, to see that it runs."""

    quick: bool
    device: torch.device

    def pick(self, full: T, quick: T) -> T:
        """A size of the work."""
        return quick if self.quick else full

    def trainer(self, **arguments: Any) -> pl.Trainer:
        """A trainer on the device that neither shows nor writes anything."""
        off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
        accelerator = "gpu" if self.device.type == "cuda" else "cpu"
        quiet: dict[str, Any] = dict.fromkeys(off, False)
        return pl.Trainer(accelerator=accelerator, devices=1, **quiet, **arguments)

    @property
    def clock(self) -> Clock:
        """What one process is timed by."""
        return "wall" if self.device.type == "cuda" else "processor"

    def start(self) -> Callable[[], Cost]:
        """A clock, which says what has passed since when it is called."""
        self._synchronise()
        processor, wall = processor_ms(), 1e3 * time.perf_counter()

        def stop() -> Cost:
            self._synchronise()
            return Cost(processor_ms() - processor, 1e3 * time.perf_counter() - wall)

        return stop

    def time(self, work: Callable[[], Any]) -> Cost:
        """What one call takes, until the device has finished."""
        stop = self.start()
        work()
        return stop()

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def measure(
        self,
        name: str,
        prepare: Callable[[int], Pair],
        *,
        naive: str,
        agree: Callable[[Any, Any], bool],
        of: str | None = None,
        sizes: Sequence[int] = (),
        at: int | None = None,
        share: float = 1.0,
        repeats: int = 3,
    ) -> Result:
        """Time ours at every size, and the naive way at one of them.

        Repeats go through all of it in turn, so that a machine that is busy for a while slows all.

        Args:
            name: as in `Result`.
            prepare: the work of a size; what it does itself is not timed.
            naive: as in `Result`.
            agree: whether both ways, at one size, found the same; called with their results.
            of: what sizes count.
            sizes: over which the exponent is fitted; none: no exponent.
            at: the size to compare at; by default the largest.
            share: of the work that the naive way does, where all of it would take too long.
            repeats: runs of each; one more comes first to warm up.

        Raises:
            AssertionError: the two ways do not agree.
        """
        at = max(sizes) if at is None else at
        pairs = {size: prepare(size) for size in dict.fromkeys((*sizes, at))}
        found = {size: pair.ours() for size, pair in pairs.items()}
        if not agree(found.pop(at), pairs[at].naive()):
            raise AssertionError(f"{name}: the naive way finds something else")
        costs: dict[int, list[Cost]] = {size: [] for size in pairs}
        naive_costs: list[Cost] = []
        for _ in range(self.pick(repeats, 1)):
            for size, pair in pairs.items():
                costs[size].append(self.time(pair.ours))
            naive_costs.append(self.time(pairs[at].naive))
        naive_costs = [Cost(cost.processor / share, cost.wall / share) for cost in naive_costs]
        ours_at = costs[at]
        if at not in sizes:
            del costs[at]
        return summarise(name, naive, self.clock, ours_at, naive_costs, of, costs)


def summarise(
    name: str,
    naive: str,
    clock: Clock,
    ours: Sequence[Cost],
    theirs: Sequence[Cost],
    of: str | None = None,
    growth: Mapping[int, Sequence[Cost]] | None = None,
) -> Result:
    """Medians by one clock, their ratio, and the exponent over `growth`, costs by size."""

    def middle(costs: Sequence[Cost]) -> float:
        return median(getattr(cost, clock) for cost in costs)

    by_size = {size: middle(costs) for size, costs in (growth or {}).items()}
    exponent = fit_exponent([*by_size], [*by_size.values()]) if by_size else None
    ours_ms, naive_ms = middle(ours), middle(theirs)
    return Result(
        name=name,
        naive=naive,
        ours_ms=_rounded(ours_ms),
        naive_ms=_rounded(naive_ms),
        ratio=_rounded(naive_ms / ours_ms),
        exponent=None if exponent is None else round(exponent, 3),
        of=of,
        clock=clock,
        sizes=[*by_size],
        costs_ms=[_rounded(cost) for cost in by_size.values()],
    )


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def write_atomically(path: Path, text: str) -> None:
    """The whole text, or what was there before."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


@full_precision()  # ours computes in it: so must the naive way
def main(name: str, measure: Callable[[Bench], Iterable[Result]]) -> None:
    """Measure, print, and keep `results/<name>.json`, unless `--quick`."""
    parser = argparse.ArgumentParser(description=f"The benchmark {name}.")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, nothing is kept")
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", type=torch.device, default=default)
    given = parser.parse_args()
    torch.set_num_threads(1)  # those of small networks mostly wait for each other
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    where = environment(given.device)
    print(name, json.dumps(where), flush=True)
    results = []
    for result in measure(Bench(given.quick, given.device)):
        growth = "" if result.exponent is None else f"; grows as {result.of}^{result.exponent:.2f}"
        print(
            f"{result.name}: ours {result.ours_ms:,} ms; {result.naive}: {result.naive_ms:,} ms, "
            f"{result.ratio} times as long ({result.clock} time){growth}",
            flush=True,
        )
        results.append(asdict(result))
    if not given.quick:
        RESULTS.mkdir(exist_ok=True)
        record = {"environment": where, "results": results}
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
        write_atomically(RESULTS / f"{name}.json", text + "\n")
