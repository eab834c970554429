"""Tables of published accuracies, one row per architecture."""

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from models.spaces import SearchSpace

Rows = Mapping[str, Mapping[str, float]]
"""Architecture as its space writes it, to dataset, to accuracy in per cent."""


class AccuracyTable:
    """Accuracies of trained architectures, by the text of the architecture.

    Isomorphic architectures are separate rows.

    Args:
        rows: at least one architecture, each with an accuracy for every dataset.
        source: where they come from, for messages.

    Attributes:
        datasets: names of the accuracies.
    """

    def __init__(self, rows: Rows, source: str = "table") -> None:
        self.source = source
        self._rows = rows
        self.datasets = tuple(next(iter(rows.values())))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __contains__(self, architecture: str) -> bool:
        return architecture in self._rows

    def __getitem__(self, architecture: str) -> Mapping[str, float]:
        """Return the accuracies by dataset. Raises ValueError for what the table lacks."""
        if architecture not in self._rows:
            raise ValueError(f"path: {self.source} has no architecture {architecture}")
        return self._rows[architecture]

    def rank(self, architecture: str, dataset: str) -> int:
        """Return 1 for the most accurate; equal accuracies share a rank."""
        own = self[architecture][dataset]
        return 1 + sum(row[dataset] > own for row in self._rows.values())

    def look_up(self, architecture: str) -> dict[str, float]:
        """Return `<dataset>_accuracy` and `<dataset>_rank`; errors as `[]`."""
        figures: dict[str, float] = {}
        for name, accuracy in self[architecture].items():
            figures[f"{name}_accuracy"] = accuracy
            figures[f"{name}_rank"] = float(self.rank(architecture, name))
        return figures

    def check_space(self, space: SearchSpace) -> None:
        """Raise ValueError unless the table's architectures are written as the space's are."""
        text = next(iter(self))
        try:
            space.parse(text)
        except ValueError as error:
            raise ValueError(
                f"path: {self.source} is no table of the space {space.name}: {error}"
            ) from None


def read_csv(path: Path, architecture: str, columns: Mapping[str, str]) -> AccuracyTable:
    """Read a table from a CSV file with a header.

    Args:
        path: the file.
        architecture: the column of architectures.
        columns: dataset to the column of its accuracy, in per cent.

    Raises:
        ValueError: no CSV, or a column, a number or all rows are missing.
    """
    try:
        rows = _rows(path, architecture, columns)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"path: {path} is no CSV: {error}") from None
    if not rows:
        raise ValueError(f"path: {path} has no rows")
    return AccuracyTable(rows, path.name)


def _rows(path: Path, architecture: str, columns: Mapping[str, str]) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = {architecture, *columns.values()} - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"path: {path} has no column {', '.join(sorted(missing))}")
        for row in reader:
            try:
                accuracies = {name: float(row[column]) for name, column in columns.items()}
                if not all(map(math.isfinite, accuracies.values())):
                    raise ValueError
            except (TypeError, ValueError):
                raise ValueError(
                    f"path: {path}, line {reader.line_num}: expected a number in "
                    f"{', '.join(columns.values())}"
                ) from None
            rows[row[architecture]] = accuracies
    return rows
