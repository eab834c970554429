"""LightningModules that train, with their metrics."""

from models.classifiers.architecture_classifier import ArchitectureClassifier, CellClassifier
from models.classifiers.dag_classifier import DagConvClassifier, DagMLPClassifier
from models.classifiers.dag_space_classifier import DagSpaceClassifier
from models.classifiers.image_classifier import ImageClassifier
from models.classifiers.supernet_accuracy import SupernetAccuracy
from models.classifiers.supernet_classifier import SupernetClassifier

__all__ = [
    "ArchitectureClassifier",
    "CellClassifier",
    "DagConvClassifier",
    "DagMLPClassifier",
    "DagSpaceClassifier",
    "ImageClassifier",
    "SupernetAccuracy",
    "SupernetClassifier",
]
