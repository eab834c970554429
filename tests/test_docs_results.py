"""The scripts that make what the pages show."""

import runpy
from pathlib import Path

import pytest
from PIL import Image

DOCS = Path(__file__).resolve().parents[1] / "docs"
PICTURES = {"training", "topology", "search", "search_topology"}


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
