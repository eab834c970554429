"""A search among the architectures that a file lists."""

import json
from pathlib import Path

import pytest
import torch

from datamodules import DigitsDataModule
from models import SamplingSearch
from models.indicators import Parameters
from models.search.listed import digest_of, draw_listed
from models.spaces import NasBench101Space, NasBench201Space, TransNasMicroSpace

SPACE = NasBench201Space()
CELLS = [SPACE.random_architecture(torch.Generator().manual_seed(i)) for i in range(6)]


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "table.csv"
    rows = [f"{SPACE.format(cell)},{i}" for i, cell in enumerate([*CELLS, CELLS[0]])]
    path.write_text("\n".join(["cell,accuracy", *rows]))
    return str(path)


def test_all_in_order_or_a_draw(table: str) -> None:
    generator = torch.Generator().manual_seed(0)
    assert draw_listed(SPACE, f"{table}#cell", None, generator) == CELLS
    some = draw_listed(SPACE, f"{table}#cell", 4, generator)
    assert len(set(some)) == 4
    assert set(some) < set(CELLS)
    again = draw_listed(SPACE, f"{table}#cell", 4, torch.Generator().manual_seed(0))
    assert again == some
    assert digest_of(SPACE, some) != digest_of(SPACE, CELLS)


def test_architectures_of_several_columns(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    matrix, names = json.dumps([[0, 1], [0, 0]]), json.dumps(["input", "output"])
    quoted = names.replace('"', '""')
    path.write_text(f'module_adjacency,module_operations\n"{matrix}","{quoted}"\n')
    listed = f"{path}#module_adjacency,module_operations"
    (cell,) = draw_listed(NasBench101Space(), listed, None, torch.Generator())
    assert cell.matrix == ((0, 1), (0, 0))


@pytest.mark.parametrize(
    ("listed", "samples", "message"),
    [
        ("{}", None, "architectures: expected file.csv#column"),
        ("{}#", None, "architectures: expected file.csv#column"),
        ("{}#net", None, "has no column net"),
        ("{}#accuracy", None, "is no table of the space nasbench201: .*'0'"),
        ("{}#cell,accuracy", None, "line 2: expected JSON in cell"),
        ("{}#cell", 7, "samples: expected 1 to 6, the architectures of"),
        ("{}#cell", 0, "samples: expected 1 to 6"),
    ],
)
def test_refusals(table: str, listed: str, samples: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_listed(SPACE, listed.format(table), samples, torch.Generator())
    with pytest.raises(FileNotFoundError, match="no look-up table"):
        draw_listed(SPACE, "nothing.csv#cell", None, torch.Generator())
    with pytest.raises(ValueError, match="no table of the space transnas_micro"):
        draw_listed(TransNasMicroSpace(), f"{table}#cell", None, torch.Generator())


def test_a_search_scores_what_is_listed(table: str) -> None:
    def search(samples: int | None, listed: str | None) -> SamplingSearch:
        return SamplingSearch(
            DigitsDataModule(), SPACE, samples, indicator=Parameters(), architectures=listed
        )

    found = search(None, f"{table}#cell")
    assert (found.kept, found.samples) == (CELLS, 6)
    assert found.settings()["architectures"] == digest_of(SPACE, CELLS)
    assert search(3, None).settings()["architectures"] is None
    with pytest.raises(ValueError, match="samples: expected a number, or architectures"):
        search(None, None)
