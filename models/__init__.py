"""LightningModules, and below them topologies, networks, spaces and indicators."""

from models.classifiers import (
    ArchitectureClassifier,
    CellClassifier,
    DagConvClassifier,
    DagMLPClassifier,
    DagSpaceClassifier,
    ImageClassifier,
    SupernetAccuracy,
    SupernetClassifier,
)
from models.search import DepthWidthFilter, PruningSearch, SamplingSearch

__all__ = [
    "ArchitectureClassifier",
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
