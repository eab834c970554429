"""The scripts that make what the pages show."""

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
PICTURES = {"training", "topology", "search", "search_topology"}


@pytest.mark.slow
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
    assert not list(Path().glob("runs"))  # the runs were elsewhere
