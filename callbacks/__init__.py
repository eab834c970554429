"""Callbacks: they ask a LightningModule for what they need, call a function, and log the result."""

from callbacks.dag_space_report import DagSpaceReport
from callbacks.front_monitor import FrontMonitor
from callbacks.indicator_ranking import IndicatorRanking
from callbacks.nasbench201_lookup import NasBench201Lookup
from callbacks.nngp_monitor import NNGPMonitor
from callbacks.ntk_monitor import NTKMonitor
from callbacks.prediction_writer import PredictionWriter
from callbacks.search_progress import SearchProgressBar
from callbacks.topology_monitor import TopologyMonitor

__all__ = [
    "DagSpaceReport",
    "FrontMonitor",
    "IndicatorRanking",
    "NNGPMonitor",
    "NTKMonitor",
    "NasBench201Lookup",
    "PredictionWriter",
    "SearchProgressBar",
    "TopologyMonitor",
]
