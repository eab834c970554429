"""Plain networks: nn.Modules that know nothing of training."""

from models.networks.dag import DagConvNet, DagMLP

__all__ = ["DagConvNet", "DagMLP"]
