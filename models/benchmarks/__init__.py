"""Tables of published accuracies and latencies."""

from models.benchmarks.hardware import HardwareTable
from models.benchmarks.nasbench201 import read_table, table_path
from models.benchmarks.table import AccuracyTable, read_csv

__all__ = ["AccuracyTable", "HardwareTable", "read_csv", "read_table", "table_path"]
