"""LightningModules, and below them topologies, networks, spaces and indicators."""

from models.classifier import ImageClassifier
from models.dag_classifier import DagConvClassifier, DagMLPClassifier
from models.dag_space_classifier import DagSpaceClassifier
from models.pruning_search import PruningSearch

__all__ = [
    "DagConvClassifier",
    "DagMLPClassifier",
    "DagSpaceClassifier",
    "ImageClassifier",
    "PruningSearch",
]
