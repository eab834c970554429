"""Benchmarks run, and the README shows what they last found."""

import json
import sys
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "benchmarks"
SCRIPTS = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
SLOW = ("processes", "searches")
AT_LEAST = {"activation_overlap": 2, "linear_regions": 10, "data": 10, "dag_space": 10}
"""What the first line of a benchmark must show: times as fast as the naive way."""


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


def rows(name: str) -> list[dict[str, Any]]:
    return json.loads((FOLDER / "results" / f"{name}.json").read_text())["results"]


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


def test_a_table_goes_between_its_markers(tables: ModuleType) -> None:
    page = "before\n<!-- a:start -->\nold\n<!-- a:end -->\nafter"
    expected = "before\n<!-- a:start -->\nnew\n<!-- a:end -->\nafter"
    assert tables.replaced(page, "a", "new") == expected
    with pytest.raises(ValueError, match="page: expected <!-- b:start -->"):
        tables.replaced(page, "b", "new")


def test_growth_is_what_was_recorded(tables: ModuleType) -> None:
    row = {"name": "a search", "exponent": 1.984, "of": "images"}
    row |= {"sizes": [1000, 2000], "costs_ms": [12.345, 1234.5]}
    where = {"date": "2000-01-01", "cpu": "C", "gpu": None, "threads": 1, "cores": 2}
    where |= {"torch": "2", "lightning": "3"}
    results = [row, row | {"name": "not fitted", "exponent": None}]
    text = tables.growth([{"environment": where, "results": results}])
    assert "| a search | 1,000 · 2,000 images | 12.3 · 1,234 | images^1.98 |" in text
    assert "not fitted" not in text
    assert text.endswith("Measured on 2000-01-01: C, 1 thread of 2 cores, torch 2, Lightning 3.")


def test_what_is_kept_is_consistent(measure: ModuleType) -> None:
    for row in (row for name in SCRIPTS for row in rows(name)):
        assert [*row] == [field.name for field in fields(measure.Result)]
        assert row["ratio"] == pytest.approx(row["naive_ms"] / row["ours_ms"], rel=2e-3)
        if row["exponent"] is None:
            assert row["of"] is None
            assert not row["sizes"]
        else:
            fitted = measure.fit_exponent(row["sizes"], row["costs_ms"])
            assert row["exponent"] == pytest.approx(fitted, abs=2e-3)
    for name, least in AT_LEAST.items():
        assert rows(name)[0]["ratio"] >= least
