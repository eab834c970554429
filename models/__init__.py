"""LightningModules, and below them topologies, networks, spaces and indicators."""

from models.cell_classifier import CellClassifier
from models.classifier import ImageClassifier
from models.dag_classifier import DagConvClassifier, DagMLPClassifier
from models.dag_space_classifier import DagSpaceClassifier
from models.pruning_search import PruningSearch
from models.sampling_search import SamplingSearch
from models.search import DepthWidthFilter
from models.supernet_accuracy import SupernetAccuracy
from models.supernet_classifier import SupernetClassifier

__all__ = [
    "CellClassifier",
    "DagConvClassifier",
    "DagMLPClassifier",
    "DagSpaceClassifier",
    "DepthWidthFilter",
    "ImageClassifier",
    "PruningSearch",
    "SamplingSearch",
    "SupernetAccuracy",
    "SupernetClassifier",
]
