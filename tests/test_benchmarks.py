"""Benchmarks run, and the README shows what they last found."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "benchmarks"
SCRIPTS = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
SLOW = ("ntk", "processes", "searches")


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(FOLDER))
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def measure() -> ModuleType:
    return import_module("_measure")


@pytest.fixture
def tables() -> ModuleType:
    return import_module("_tables")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in SCRIPTS]
)
def test_it_runs_and_agrees_with_the_naive_way(
    name: str,
    measure: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--quick", "--device", "cpu"])
    monkeypatch.setattr(measure, "RESULTS", tmp_path / "results")
    measure.main(name, import_module(f"bench_{name}").measure)
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith(f'{name} {{"date"')
    assert lines
    assert all("times as long" in line for line in lines)
    assert not (tmp_path / "results").exists()


def test_a_full_run_is_kept(
    measure: ModuleType, tables: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slower(bench: Any) -> Iterator[Any]:
        cost = measure.Cost
        growth = {size: [cost(1e-3 * size**2, 9.0)] for size in (10, 20, 40)}
        naive = [cost(c, 9.0) for c in (2.0, 16.0, 100.0)]
        yield measure.summarise("a", "b", "processor", [cost(1.6, 9.0)], naive, "things", growth)

    monkeypatch.setattr(sys, "argv", ["ntk", "--device", "cpu"])
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    measure.main("ntk", slower)
    assert [path.name for path in tmp_path.iterdir()] == ["ntk.json"]
    (record,) = tables.read_records(["ntk"], tmp_path)
    assert record["results"] == [
        {
            "name": "a",
            "naive": "b",
            "ours_ms": 1.6,
            "naive_ms": 16.0,
            "ratio": 10.0,
            "exponent": 2.0,
            "of": "things",
            "clock": "processor",
            "sizes": [10, 20, 40],
            "costs_ms": [0.1, 0.4, 1.6],
        }
    ]
    assert "| a | 1.6 ms | b: 16 ms | **10** | things^2.00 |" in tables.ratios([record])


def test_another_result_than_the_naive_way_s_is_no_benchmark(measure: ModuleType) -> None:
    bench = measure.Bench(quick=True, device=torch.device("cpu"))
    with pytest.raises(AssertionError, match="a sum: the naive way finds something else"):
        bench.measure(
            "a sum",
            lambda n: measure.Pair(lambda: sum(range(n)), lambda: n * n / 2),
            of="terms",
            sizes=(10, 20),
            naive="by formula",
            agree=lambda ours, naive: ours == naive,
        )


def test_exponent(measure: ModuleType) -> None:
    sizes = [3, 6, 12, 24]
    assert measure.fit_exponent(sizes, [0.7 * n**1.5 for n in sizes]) == pytest.approx(1.5)
    for bad in ([3, 3], [0, 3]):
        with pytest.raises(ValueError, match="sizes: expected two or more, all positive"):
            measure.fit_exponent(bad, [1.0, 2.0])


def test_the_table_lists_every_benchmark(tables: ModuleType) -> None:
    assert sorted(tables.ORDER) == SCRIPTS
    assert set(tables.OF_A_SEARCH) <= set(SCRIPTS)
    assert sorted(path.stem for path in (FOLDER / "results").glob("*.json")) == SCRIPTS


def test_pages_show_what_was_measured(tables: ModuleType) -> None:
    for path, text in tables.pages().items():
        assert path.read_text("utf-8") == text, path
