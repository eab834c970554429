"""Callbacks: they ask a LightningModule for what they need, call a function, and log the result."""

from callbacks.ntk_monitor import NTKMonitor
from callbacks.topology_monitor import TopologyMonitor

__all__ = ["NTKMonitor", "TopologyMonitor"]
