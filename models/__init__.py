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
from models.search import DepthWidthFilter, PruningSearch, SamplingSearch, StagedSearch

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
    "StagedSearch",
    "SupernetAccuracy",
    "SupernetClassifier",
]
