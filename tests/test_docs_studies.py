"""The studies run, at tiny size, on a look-up table and images that are written here."""

import csv
import importlib
import io
import itertools
import json
import random
import re
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import kendalltau

from models.benchmarks.nasbench201 import ARCHITECTURE, COLUMNS
from models.spaces import NasBench101Space, NasBench201Space
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
    with (folder / "nasbench201_validation_accuracy.csv").open("w", newline="") as lines:
        table = csv.writer(lines)
        table.writerow(["architecture", "cifar10_valid_200_epochs"])
        for operations in itertools.product(NasBench201Cell.OPERATIONS, repeat=6):
            table.writerow([str(NasBench201Cell(operations)), draws.random()])
    with (folder / "nasbench101_sample.csv").open("w", newline="") as lines:
        table = csv.writer(lines)
        table.writerow(["module_adjacency", "module_operations", "validation_accuracy"])
        space, generator = NasBench101Space(), torch.Generator().manual_seed(0)
        for _ in range(6):
            cell = json.loads(space.format(space.random_architecture(generator)))
            values = (json.dumps(cell[name]) for name in ("module_adjacency", "module_operations"))
            table.writerow([*values, draws.random()])
    with (folder / "hw_nasbench_cifar10_milliseconds.csv").open("w", newline="") as lines:
        table = csv.writer(lines)
        devices = ("edgegpu", "raspi4", "pixel3", "eyeriss", "fpga")
        table.writerow(["architecture", *devices])
        for operations in itertools.product(NasBench201Cell.OPERATIONS, repeat=6):
            cell = str(NasBench201Cell(operations))
            table.writerow([cell, *(1 + cell.count("conv") + draws.random() for _ in devices)])
    with (folder / "transnas_micro.csv").open("w", newline="") as lines:
        table = csv.writer(lines)
        tasks = ["class_object", "class_scene", "room_layout", "segmentsemantic"]
        table.writerow(["architecture", *tasks])
        for operations in itertools.product(NasBench201Cell.OPERATIONS[:4], repeat=6):
            cell = str(NasBench201Cell(operations))
            table.writerow([cell, cell.count("conv"), *(draws.random() for _ in tasks[1:])])
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
    for name in (*NAMES, "_study", "_places", "_atlas_page"):
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
    pages = [ROOT / "docs" / name for name in ("search.md", "tensorboard.md", "photos.md")]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    named = re.findall(r"python docs/studies/(\w+)\.py ", text)
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
def test_seeds(
    study: Callable[[str], ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ["--dags", "2", "1_01_222", "--epochs", "1", "--width", "4", "--seeds"]
    study("seeds").main([str(tmp_path), *sizes, "0", "1"])
    printed = capsys.readouterr().out
    assert len(re.findall(r"^\| `(?:2|1_01_222)` \| 2 \| .* ± .* \|$", printed, re.M)) == 2
    times = [path.stat().st_mtime for path in sorted(tmp_path.rglob("last.ckpt"))]
    study("seeds").main([str(tmp_path), *sizes, "0", "1"])  # which reads what is there
    assert times == [path.stat().st_mtime for path in sorted(tmp_path.rglob("last.ckpt"))]


def test_mean_with_its_standard_error(study: Callable[[str], ModuleType]) -> None:
    assert study("seeds").mean_with_error([1.0, 2.0, 3.0]) == "2.0000 ± 0.5774"
    assert study("seeds").mean_with_error([1.0]) == "1.0000"


@pytest.mark.slow
def test_hardware(run: Run) -> None:
    sizes = [
        "--samples",
        "12",
        "--keep",
        "3",
        "--repeats",
        "2",
        "--percentiles",
        "60",
        "90",
        "--random",
        "5",
    ]
    printed = run("hardware", *sizes, "--devices", "fpga", "pixel3")
    assert printed.count(f"| Bound | cell | {DATASETS} |\n") == 2
    for name in ("found", "best that keeps it", "mean of 5 random"):
        assert len(re.findall(rf"^\| [69]0 %: \d\.\d\d ms \| {name} \| ", printed, re.M)) == 4


@pytest.mark.slow
def test_photos(run: Run) -> None:
    sizes = ["--epochs", "2", "2", "--random", "2", "--evaluations", "2", "--budgets", "800000"]
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
    supernet = ["--channels", "2", "--cells-per-stage", "1"]
    run("pruning", *sizes, "--depth-width", "reserve", "--scores", "SynFlow", "Layers", *supernet)
    rows = list(csv.DictReader(Path("runs/study_pruning.csv").read_text().splitlines()))
    assert [row["scores"] for row in rows] == [
        "ntk_condition_number+linear_regions",
        "synflow+layers",
    ]
    assert [row["supernet"] for row in rows] == ["", "channels=2 cells_per_stage=1"]


def test_resampled_kendall(study: Callable[[str], ModuleType]) -> None:
    """`atlas` computes τ_b of every resample at once: as scipy does, with ties and failures."""
    study("atlas")  # for its neighbours
    page, draws = importlib.import_module("_atlas_page"), np.random.default_rng(0)
    scores, accuracy = draws.integers(0, 9, 30).astype(float), draws.normal(size=30).round(1)
    scores[[3, 7]] = -np.inf
    weights = page.resamples(30, 4)
    assert weights[0].tolist() == [1] * 30
    assert (weights.sum(1) == 30).all()
    for found, counts in zip(page.taus(scores, accuracy, weights), weights, strict=True):
        own = np.repeat(np.arange(30), counts.astype(int))
        finite = np.nan_to_num(scores[own], neginf=-1)
        assert found == pytest.approx(kendalltau(finite, accuracy[own])[0])


def test_the_table_of_all_spaces(study: Callable[[str], ModuleType]) -> None:
    """`atlas` says what beats size, and where τ is surely above or below 0."""
    study("atlas")
    page = importlib.import_module("_atlas_page")
    trivial = {"a": np.array([0.5, 0.5, 0.6]), "b": np.array([0.4, 0.3, 0.5])}
    better = {"c": np.array([0.7, 0.6, 0.9]), "d": np.array([0.5, 0.3, 0.8])}
    found = {name: {"x": values} for name, values in (trivial | better).items()}
    assert page.beats(found, ["a", "b"]) == {"a": 0, "b": 0, "c": 1, "d": 0}
    lines = page.overview({"one": found, "two": {"a": {"y": -trivial["a"]}}}, ["a", "b"])
    assert lines.splitlines()[6:] == [
        "| score | one: x | two: y | above 0 | below 0 |",
        "| --- | --- | --- | --- | --- |",
        "| c | **.700** | – | 1 of 1 |  |",
        "| d | .500 | – | 0 of 1 |  |",
        "| *b* | .400 | – | 1 of 1 |  |",
        "| *a* | .500 | −.500 | 1 of 2 | 1 |",
        "| *standard error, median* | .125 | .050 | | |",
    ]


def test_connected(study: Callable[[str], ModuleType]) -> None:
    """`atlas` leaves out the cells that no path crosses, and no other."""
    study("atlas")
    places, space = importlib.import_module("_places"), NasBench201Space()
    none, skip = "none", "skip_connect"
    cells = {
        (none, none, none, skip, none, none): True,  # 0 to 3
        (skip, none, none, none, none, none): False,
        (none, none, skip, none, none, skip): False,  # from 1, which nothing reaches
        (skip, none, skip, none, none, skip): True,
    }
    for operations, expected in cells.items():
        assert places.connected(space, NasBench201Cell(operations)) is expected


@pytest.mark.slow
def test_atlas_choice_and_noise(run: Run) -> None:
    spaces = ["nasbench201", "nasbench101"]
    sizes = ["--cells", "4", "--timed", "1", "--resamples", "3", "--page", "docs/atlas.md"]
    printed = run("atlas", *sizes, "--spaces", *spaces)
    assert "NAS-Bench-101: 4 architectures\n" in printed
    page = Path("docs/atlas.md").read_text(encoding="utf-8")
    for name in ("*parameters*", "*effective_depth*", "near", "AZ-NAS + SynFlow"):
        assert len(re.findall(rf"^\| {re.escape(name)} \| \d+ \| ", page, re.M)) == 2
    assert "\nOn no data set better than that: " in page or "beats that somewhere" in page
    table = page.partition("\n## All spaces\n")[2].partition("\n## NAS")[0]  # of one setting
    assert "| score | NAS-Bench-101: cifar10 | above 0 | below 0 |\n" in table
    assert len(re.findall(r"^\| near \| [^|]+ \| [01] of 1 \| 1? ?\|$", table, re.M)) == 1
    assert Path("docs/pictures/atlas.png").stat().st_size > 10_000
    lines = Path("runs/study_atlas.jsonl").read_text().count("\n")
    Path("docs/atlas.md").write_text(page + "\n## One seed or several\n\nkept\n", "utf-8")
    run("atlas", *sizes, "--spaces", *spaces)
    assert Path("docs/atlas.md").read_text(encoding="utf-8").endswith("\nkept\n")
    assert Path("runs/study_atlas.jsonl").read_text().count("\n") == lines
    few = ["--samples", "2", "--resamples", "3", "--spaces", "nasbench101", "--elsewhere", "4"]
    printed = run("choice", "--cells", "4", *few)
    assert printed.startswith("NAS-Bench-201: chosen on 2 cells, judged on 2 others\n")
    assert "\n| *best single* | " in printed
    printed = run("noise", "--cells", "4", "--seeds", "2", "--average", "1", "2")
    assert re.search(r"^\| synflow \| 1\.000 \| 0\.000 \| .* ms \| .* ms \|$", printed, re.M)
