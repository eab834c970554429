"""LightningModules, and below them topologies, networks, spaces and indicators."""

from models.classifier import ImageClassifier
from models.dag_classifier import DagConvClassifier, DagMLPClassifier

__all__ = ["DagConvClassifier", "DagMLPClassifier", "ImageClassifier"]
