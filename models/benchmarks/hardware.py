"""Tables of latencies that were measured on a device."""

from collections.abc import Callable
from typing import Any

from models.benchmarks.nasbench201 import table_path
from models.benchmarks.table import read_csv
from models.spaces import SearchSpace


class HardwareTable:
    """Latencies of a device, read from a CSV file, in the place of measuring.

    HW-NAS-Bench (arXiv 2103.10584) has six devices for the cells of NAS-Bench-201.

    Args:
        path: a CSV file with a header.
        column: of the latencies in milliseconds, such as `edgegpu`.
        architecture: the column of the architectures, written as the space writes them.

    Raises:
        FileNotFoundError: nothing at `path`.
        ValueError: no CSV, a column is missing, or a latency is no number of 0 or more.
    """

    def __init__(self, path: str, column: str, architecture: str = "architecture") -> None:
        self.path = path
        self.column = column
        self.architecture = architecture
        self._table = read_csv(table_path(path), architecture, {column: column})
        for text in self._table:
            if self._table[text][column] < 0:
                raise ValueError(f"path: {path} has a negative {column} for {text}")

    def bind(self, space: SearchSpace) -> Callable[[Any], float]:
        """Return architecture to milliseconds, which raises ValueError for what the table lacks.

        Raises:
            ValueError: the table is of another space.
        """
        self._table.check_space(space)

        def look_up(architecture: Any) -> float:
            return self._table[space.format(architecture)][self.column]

        return look_up
