"""Runs that start at once, and what is left of them."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

HERE = Path(__file__).parent
CONFIGS = HERE.parents[1] / "configs"

_GENOTYPE = yaml.safe_load((CONFIGS / "train_darts_cifar10.yaml").read_text())["model"][
    "init_args"
]["architecture"]
_ARGUMENTS = {
    "fit": ["quickstart.yaml", "--model.width", "8", "--trainer.max_epochs", "6"],
    "drop_path": [  # what is dropped is drawn anew in each step
        *("train_digits.yaml", "--model.space", "darts", "--model.architecture", _GENOTYPE),
        *("--model.sizes", "{channels: 2, cells: 2}", "--model.drop_path", "0.4"),
        *("--data.batch_size", "256", "--trainer.max_epochs", "4"),
    ],
    "pruning": [
        *("search/quickstart.yaml", "--model.batch_size", "8"),
        *("--model.supernet", "{channels: 1}"),
    ],
    "sampling": [
        *("search/sampling_digits.yaml", "--model.samples", "24"),
        *("--model.block_size", "4", "--model.batch_size", "8"),
    ],
    "evolution": [
        *("search/evolution_digits.yaml", "--model.evaluations", "21", "--model.batch_size", "8"),
        *("--model.population", "8", "--model.offspring", "5"),
        *("--model.network", "{channels: 2, cells_per_stage: 1}"),
        *("--model.sizes", "{channels: 2, cells_per_stage: 1}"),
    ],
    "photo_search": [
        *("search/photos.yaml", "--model.evaluations", "12", "--model.batch_size", "4"),
        *("--model.population", "8", "--model.offspring", "4", "--model.budget", "null"),
    ],
    "photo_fit": [  # and the test after it
        *("train_photos.yaml", "--data.batch_size", "9", "--data.validation", "0.2"),
        *("--trainer.max_epochs", "4", "--model.scheduler.epochs", "4"),
    ],
}


class Runs:
    """Runs that are forks of one process, and the results to expect.

    Args:
        folder: for the runs that are left in peace.
        forks: starts them, and waits for them.
    """

    def __init__(self, folder: Path, forks: Any) -> None:
        self._folder = folder
        self._expected: dict[str, tuple[dict[str, Any], float]] = {}
        self.start, self.wait = forks.start, forks.wait

    def run(self, given: list[str], folder: Path, before: str = "") -> int:
        """Start a run and wait; its return code."""
        return self.wait(self.start(given, folder, before))

    def line(self, given: list[str], folder: Path, before: str = "", code: int = 2) -> str:
        """The one line of a run that must end early, without a traceback."""
        found = self.run(given, folder, before)
        text = (folder / "output.txt").read_text()
        assert found == code, text
        assert "Traceback" not in text, text
        (line,) = [line for line in text.splitlines() if line.startswith("lightning: ")]
        return line

    def arguments(self, kind: str) -> list[str]:
        """Of a tiny run: six epochs, three rounds, or as many blocks as the filter leaves."""
        config, *others = _ARGUMENTS[kind]
        if "photos" in config:
            others += ["--data.root", str(self._photos())]
        return ["fit", "--config", str(CONFIGS / config), *others]

    def _photos(self) -> Path:
        """A folder of 36 photos in three classes."""
        folder = self._folder / "photos"
        draw = np.random.default_rng(0)
        for number in range(0 if folder.exists() else 36):
            path = folder / "abc"[number % 3] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = draw.integers(80 * (number % 3) + 90, size=(32, 32, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(path)
        return folder

    def in_peace(self, kind: str) -> Path:
        """The folder of a run that was left in peace."""
        folder = self._folder / kind
        if kind not in self._expected:
            start = time.monotonic()
            code = self.run(self.arguments(kind), folder)
            assert code == 0, (folder / "output.txt").read_text()
            self._expected[kind] = results(folder), time.monotonic() - start
        return folder

    def seconds(self, kind: str) -> float:
        """How long that took."""
        self.in_peace(kind)
        return self._expected[kind][1]

    def finish(self, kind: str, folder: Path, told: str = "") -> None:
        """Go on with an interrupted run, and compare all that it leaves with one left in peace."""
        last = ["--ckpt_path", "last"] if any(folder.glob("runs/*/version_*")) else []
        code = self.run([*self.arguments(kind), *last], folder)
        assert code == 0, f"{told}: {(folder / 'output.txt').read_text()}"
        self.in_peace(kind)
        expected, found = self._expected[kind][0], results(folder)
        assert found.keys() == expected.keys(), told
        for name in expected.keys() - {"scores"}:
            assert found[name] == expected[name], f"{name}: {told}"
        assert found["scores"].keys() == expected["scores"].keys(), told
        for tag, steps in expected["scores"].items():
            assert found["scores"][tag] == steps, f"{tag}: {told}"
        assert not list(folder.rglob("*.partial")), told


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, forks: Any) -> Runs:
    """Runs without the five seconds of imports."""
    return Runs(tmp_path_factory.mktemp("in_peace"), forks)


def checkpoint(folder: Path) -> dict[str, Any]:
    """The last one of the one run in a folder."""
    (path,) = folder.rglob("last.ckpt")
    return torch.load(path, weights_only=True)


def results(folder: Path) -> dict[str, Any]:
    """All that the newest run in a folder left and that must not depend on interruptions.

    One killed before its first checkpoint leaves a folder with nothing to go on from.
    """
    run = max(folder.glob("runs/*/version_*"), key=lambda path: int(path.name.rpartition("_")[2]))
    content = checkpoint(folder)
    found = {
        "progress": (content["epoch"], content["global_step"]),
        "weights": {name: value.tolist() for name, value in content["state_dict"].items()},
        "optimizers": repr(content["optimizer_states"]),
        "history": content.get("search", {}).get("rounds"),
        "scores": scores(run),
    }
    if (run / "architecture.json").exists():
        found["architecture"] = json.loads((run / "architecture.json").read_text())
        del found["architecture"]["seconds"]
    return found


def scores(run: Path) -> dict[str, dict[int, list[str]]]:
    """Every logged figure by name and step; one that was logged twice must be the same."""
    values: dict[str, dict[int, set[str]]] = {}
    for path in run.glob("events*"):
        events = EventAccumulator(str(path), {"scalars": 0}).Reload()
        for tag in events.Tags()["scalars"]:
            for event in events.Scalars(tag):
                values.setdefault(tag, {}).setdefault(event.step, set()).add(repr(event.value))
    return {t: {s: sorted(v) for s, v in sorted(steps.items())} for t, steps in values.items()}
