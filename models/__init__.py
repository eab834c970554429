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
from models.search import (
    DepthWidthFilter,
    EvolutionSearch,
    PruningSearch,
    SamplingSearch,
    StagedSearch,
)

__all__ = [
    "ArchitectureClassifier",
    "CellClassifier",
    "DagConvClassifier",
    "DagMLPClassifier",
    "DagSpaceClassifier",
    "DepthWidthFilter",
    "EvolutionSearch",
    "ImageClassifier",
    "PruningSearch",
    "SamplingSearch",
    "StagedSearch",
    "SupernetAccuracy",
    "SupernetClassifier",
]
