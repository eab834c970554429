"""The studies run, at tiny size, on a look-up table and images that are written here."""

import csv
import importlib
import io
import itertools
import random
import re
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from models.benchmarks.nasbench201 import ARCHITECTURE, COLUMNS
from models.topology import NasBench201Cell

ROOT = Path(__file__).resolve().parents[1]
STUDIES = ROOT / "docs" / "studies"
NAMES = sorted(path.stem for path in STUDIES.glob("[!_]*.py"))
DATASETS = "CIFAR-10 | CIFAR-100 | ImageNet16-120"

Run = Callable[..., str]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with accuracies of all cells, the more convolutions the better, and 640 images."""
    folder = tmp_path_factory.mktemp("data")
    with (folder / "nasbench201_test_accuracy.csv").open("w", newline="") as lines:
        table = csv.writer(lines)
        table.writerow([ARCHITECTURE, *COLUMNS.values()])
        draws = random.Random(0)
        for a, b, c, d, e, f in itertools.product(NasBench201Cell.OPERATIONS, repeat=6):
            cell = f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"
            accuracy = 50 + 5 * cell.count("conv") + draws.random()
            table.writerow([cell, accuracy, accuracy - 20, accuracy - 40])
    with (folder / "hw_nasbench_cifar10_milliseconds.csv").open("w", newline="") as lines:
        table = csv.writer(lines)
        devices = ("edgegpu", "raspi4", "pixel3", "eyeriss", "fpga")
        table.writerow(["architecture", *devices])
        for operations in itertools.product(NasBench201Cell.OPERATIONS, repeat=6):
            cell = str(NasBench201Cell(operations))
            table.writerow([cell, *(1 + cell.count("conv") + draws.random() for _ in devices)])
    with (folder / "transnas_micro.csv").open("w", newline="") as lines:
        table = csv.writer(lines)
        table.writerow(["architecture", "class_object", "class_scene"])
        for operations in itertools.product(NasBench201Cell.OPERATIONS[:4], repeat=6):
            cell = str(NasBench201Cell(operations))
            table.writerow([cell, cell.count("conv"), draws.random()])
    pixels = np.random.default_rng(0)
    classes = list(itertools.product(("train/", "test/"), range(4)))
    for name, inner, count in (
        ("cifar10-jpeg-12k", [f"cifar10-jpeg/{split}{label}" for split, label in classes], 80),
        ("sign-digits", [f"sign-digits/{label}" for label in range(10)], 48),
    ):
        with tarfile.open(folder / f"{name}.tar", "w") as archive:
            for path, i in itertools.product(inner, range(count)):
                file = io.BytesIO()
                image = pixels.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(image).save(file, "JPEG")
                entry = tarfile.TarInfo(f"{path}/{i}.jpg")
                entry.size = file.tell()
                file.seek(0)
                archive.addfile(entry, file)
    return folder


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], ModuleType]]:
    """Import a study as `python docs/studies/NAME.py` would; its files go elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(STUDIES)
    yield importlib.import_module
    for name in (*NAMES, "_study"):
        sys.modules.pop(name, None)


@pytest.fixture
def run(study: Callable[[str], ModuleType], data: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a study on the folder of data, and return what it prints."""

    def run(name: str, *arguments: str) -> str:
        study(name).main([str(data), *arguments])
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("name", NAMES)
def test_help(name: str, study: Callable[[str], ModuleType]) -> None:
    with pytest.raises(SystemExit) as exit_:
        study(name).main(["--help"])
    assert exit_.value.code == 0


def test_commands_of_the_page_run_studies() -> None:
    pages = ((ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in ("search", "photos"))
    named = re.findall(r"python docs/studies/(\w+)\.py ", "\n".join(pages))
    assert sorted(set(named)) == NAMES


@pytest.mark.slow
def test_indicators(run: Run) -> None:
    names = "activation_overlap,linear_regions,layers,vkdnw_entropy,ntk_coupled"
    sizes = ["--batch", "4", "--output", "scores.csv", "--settings", names]
    printed = run("indicators", "--cells", "4", *sizes)
    for name in (*names.split(","), "vkdnw", "effective_depth", "effective_width"):
        assert f"\n| {name} |" in printed
    text = Path("scores.csv").read_text()
    assert text.count("\n") == 1 + 4 * 5
    Path("scores.csv").write_text(text[:-5])  # stopped within a row
    run("indicators", "--cells", "4", *sizes)
    assert len(Path("scores.csv").read_text().splitlines()) == 1 + 4 * 5 + 1
    assert run("indicators", "--cells", "0", *sizes).count("\n") == printed.count("\n")


@pytest.mark.slow
def test_aggregates(run: Run) -> None:
    scored = ["--settings", "parameters,layers,synflow", "--batch", "2", "--output", "s.csv"]
    run("indicators", "--cells", "40", *scored)
    printed = run("aggregates", "s.csv", "--size", "2", "--samples", "5", "--show", "2")
    assert printed.startswith("15 sets of 5 indicators, 40 cells, chosen by tau\n")
    assert printed.count("\n| ") == 2 + 2
    printed = run("aggregates", "s.csv", "--size", "1", "--samples", "5", "--by", "top")
    assert "chosen by top" in printed


@pytest.mark.slow
def test_settings(run: Run) -> None:
    sizes = ["--names", "synflow", "snip", "--grid", "2", "--report", "4"]
    printed = run("settings", "folder", "--cells", "4", *sizes)
    assert len(re.findall(r"^\| (?:synflow|snip) \| 4, 1, \d+\*? \| \d", printed, re.M)) == 4
    assert {path.name for path in Path("folder").iterdir()} == {"C4_N1_B16.csv", "C4_N1_B32.csv"}


@pytest.mark.slow
def test_top(run: Run) -> None:
    scored = ["--settings", "parameters,synflow,layers", "--batch", "2", "--output", "s.csv"]
    run("indicators", "--cells", "48", *scored)
    printed = run("top", "s.csv", "d.csv", "r.csv", "--samples", "16", "--random", "4")
    assert re.match(r"\d cells, 119 sets\n", printed)
    assert "| *the best by CIFAR-10* | – | – | – |" in printed
    assert printed.count("\n| ") == 2 + 1 + 8


def test_places_in_a_population(study: Callable[[str], ModuleType]) -> None:
    """`top` ranks few cells as in a whole space: share of it that is not above them."""
    population = np.array([1.0, 2.0, 2.0, 5.0])
    values = np.array([0.0, 1.0, 2.0, 3.0, 9.0])
    expected = [
        (sum(p < v for p in population) + sum(p == v for p in population) / 2 + 0.5) / 5
        for v in values
    ]
    np.testing.assert_allclose(study("top").log_shares(values, population), np.log(expected))


@pytest.mark.slow
def test_search(run: Run) -> None:
    printed = run("search", "--seeds", "0", "1", "--samples", "8")
    assert len(re.findall(r"^seed \d: .* 0 failed, \|", printed, re.M)) <= 2
    assert f"| Searches | {DATASETS} |\n" in printed
    assert "| default aggregate, 8 samples, 2 seeds | " in printed
    assert Path("runs/study_search.jsonl").is_file()


@pytest.mark.slow
def test_sampling(run: Run) -> None:
    sizes = ["--pool", "12", "--runs", "4", "--samples", "6", "--batch-size", "4"]
    printed = run("sampling", *sizes, "--scores", "naswot", "aggregate")
    assert f"| Searches, 4 runs | {DATASETS} | evaluations cut |\n" in printed
    assert len(re.findall(r"^\| (?:naswot|aggregate), 6 samples, ", printed, re.M)) == 6


@pytest.mark.slow
def test_evolution(run: Run) -> None:
    sizes = ["--seeds", "1", "--evaluations", "12", "--population", "6", "--offspring", "3"]
    printed = run("evolution", "nasbench201", "front", *sizes, "--cells", "40")
    assert "NAS-Bench-201, 40 cells: a top-10 cell in " in printed
    assert re.search(r"^\| 0 \| (\d+|–) \| \d+ \| \d+ \|$", printed, re.M)
    assert re.search(r"^Front, 12 evaluations: NSGA-II larger in [01] of 1 seeds$", printed, re.M)
    assert re.search(r"^\| 0 \| [01]\.\d{4} \| [01]\.\d{4} \|$", printed, re.M)
    printed = run("evolution", "darts", *sizes[:2], *("--evaluations", "5", "--population", "3"))
    assert re.search(r"^DARTS, 5 evaluations: evolution better in [01] of 1 seeds$", printed, re.M)
    assert Path("runs/study_evolution.jsonl").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("space", [[], ["--transnas"]])
def test_whole_space(run: Run, space: list[str]) -> None:
    sizes = ["--samples", "9", "--keep", "2", "3", "--repeats", "1", "2", "--timed", "2"]
    printed = run("whole_space", *sizes, "--seeds", "0", "1", *space)
    names = "class_object | class_scene" if space else DATASETS
    assert f"| Second stage | keep | repeats | {names} | processor |\n" in printed
    assert len(re.findall(r"^\| [^*\n]* \| [23] \| [12] \| ", printed, re.M)) == 4 * 2 * 2
    assert len(re.findall(r"^seed \d: found ", printed, re.M)) == 2
    again = run("whole_space", *sizes, "--seeds", "0", "1", *space)
    rows = [re.findall(r"^\| .*(?= \|.*s \|$)", text, re.M) for text in (printed, again)]
    assert rows[0] == rows[1]


@pytest.mark.slow
def test_hardware(run: Run) -> None:
    sizes = ["--samples", "12", "--keep", "3", "--percentiles", "60", "90", "--random", "5"]
    printed = run("hardware", *sizes, "--devices", "fpga", "pixel3")
    assert printed.count(f"| Bound | cell | {DATASETS} |\n") == 2
    for name in ("found", "best that keeps it", "mean of 5 random"):
        assert len(re.findall(rf"^\| [69]0 %: \d\.\d\d ms \| {name} \| ", printed, re.M)) == 4


@pytest.mark.slow
def test_photos(run: Run) -> None:
    sizes = ["--epochs", "1", "1", "--random", "2", "--evaluations", "2", "--budgets", "800000"]
    printed = run("photos", *sizes, "--seeds", "0")
    assert "| Photos | budget | seeds | searched | random, mean | random, best | most " in printed
    assert re.search(r"^\| signs \| 800,000 \| 1 (\| \d+\.\d ){7}\|$", printed, re.M)
    assert re.search(r"^\| synflow \| (-?1\.00|nan) \|$", printed, re.M)
    lines = Path("runs/study_photos.jsonl").read_text().splitlines()
    assert len(lines) == 5
    Path("runs/study_photos.jsonl").write_text("\n".join(lines[:-1]) + "\n")  # stopped
    again = run("photos", *sizes, "--seeds", "0")
    assert again.count("'arm'") == 1  # trained anew
    assert again.split("| Photos")[1] == printed.split("| Photos")[1]


@pytest.mark.slow
def test_pruning(run: Run) -> None:
    sizes = ["--seeds", "1", "--repeats", "1", "--batch-size", "4"]
    printed = run("pruning", *sizes, "--depth-width", "reserve")
    assert "| ntk_condition_number+linear_regions | frozen | reserve | 1 | 36 | " in printed
    run("pruning", *sizes, "--depth-width", "reserve", "--scores", "SynFlow", "Layers")
    rows = list(csv.DictReader(Path("runs/study_pruning.csv").read_text().splitlines()))
    assert [row["scores"] for row in rows] == [
        "ntk_condition_number+linear_regions",
        "synflow+layers",
    ]
