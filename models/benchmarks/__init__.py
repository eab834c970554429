"""Tables of published accuracies."""

from models.benchmarks.nasbench201 import read_table, table_path
from models.benchmarks.table import AccuracyTable, read_csv

__all__ = ["AccuracyTable", "read_csv", "read_table", "table_path"]
