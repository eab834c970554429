"""The scripts that make what the pages show."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

DOCS = Path(__file__).resolve().parents[1] / "docs"
PICTURES = {"training", "topology", "search", "search_topology"}


@pytest.fixture(scope="module")
def scaling() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "results" / "scaling.py"))


def record(**changes: Any) -> dict[str, Any]:
    """What a benchmark leaves, as far as the page reads it."""
    row = {
        "name": "a search",
        "exponent": 1.984,
        "of": "images",
        "sizes": [1000, 2000],
        "costs_ms": [12.345, 1234.5],
    }
    environment = {"date": "2000-01-01", "cpu": "C", "gpu": None, "threads": 1, "cores": 2}
    return {"environment": environment | {"torch": "2"}, "results": [row | changes]}


def test_growth_is_what_was_recorded(scaling: dict[str, Any], tmp_path: Path) -> None:
    table = scaling["growth"]([record(), record(name="not fitted", exponent=None)])
    assert "| a search | 1,000 · 2,000 images | 12.3 · 1,234 | images^1.98 |" in table
    assert "not fitted" not in table
    assert table.endswith("Measured 2000-01-01: C, 1 thread(s) of 2 cores, torch 2.")
    (tmp_path / "searches.json").write_text(json.dumps(record()))
    (tmp_path / "data.json").write_text(json.dumps(record()))  # none of a search's
    assert scaling["read_records"](tmp_path) == [record()]


def test_growth_goes_between_the_markers(scaling: dict[str, Any]) -> None:
    page = f"before\n{scaling['START']}\nold\n{scaling['END']}\nafter"
    new = scaling["with_growth"](page, [record()])
    assert new.startswith(f"before\n{scaling['START']}\n| Work |")
    assert new.endswith(f"\n{scaling['END']}\nafter")
    assert "old" not in new
    with pytest.raises(ValueError, match="page: expected <!-- growth:start -->"):
        scaling["with_growth"]("no markers", [record()])


def test_the_page_has_what_is_committed(scaling: dict[str, Any]) -> None:
    """`python docs/results/scaling.py` makes it so."""
    page = (DOCS / "scaling.md").read_text(encoding="utf-8")
    assert page == scaling["with_growth"](page, scaling["read_records"]())


@pytest.mark.usefixtures("command_line")
def test_pictures_are_made(tmp_path: Path) -> None:
    pictures = runpy.run_path(str(DOCS / "results" / "pictures.py"))
    pictures["main"](
        tmp_path / "pictures",
        ["--trainer.max_epochs", "2", "--trainer.limit_train_batches", "4"],
        ["--model.batch_size", "8"],
    )
    made = sorted((tmp_path / "pictures").iterdir())
    assert {path.name for path in made} == {f"{name}.png" for name in PICTURES}
    for path in made:
        with Image.open(path) as picture:
            assert len(picture.convert("L").getcolors(256) or []) > 8  # not blank
    assert not list(Path().glob("runs"))  # the runs were elsewhere


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_pictures_shown_are_small(name: str) -> None:
    path = DOCS / "pictures" / f"{name}.png"
    assert path.stat().st_size < 60_000
    assert f"docs/pictures/{name}.png" in (DOCS.parent / "README.md").read_text(encoding="utf-8")
