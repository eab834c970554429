"""Callbacks: they ask a LightningModule for what they need, call a function, and log the result."""

from callbacks.dag_space_report import DagSpaceReport
from callbacks.fit_checks import FitChecks
from callbacks.front_monitor import FrontMonitor
from callbacks.indicator_ranking import IndicatorRanking
from callbacks.moving_average import ExponentialMovingAverage
from callbacks.nasbench201_lookup import NasBench201Lookup
from callbacks.nngp_monitor import NNGPMonitor
from callbacks.ntk_monitor import NTKMonitor
from callbacks.prediction_writer import PredictionWriter
from callbacks.run_record import RunRecord
from callbacks.search_monitor import SearchMonitor
from callbacks.search_progress import SearchProgressBar
from callbacks.test_report import TestReport
from callbacks.topology_monitor import TopologyMonitor

__all__ = [
    "DagSpaceReport",
    "ExponentialMovingAverage",
    "FitChecks",
    "FrontMonitor",
    "IndicatorRanking",
    "NNGPMonitor",
    "NTKMonitor",
    "NasBench201Lookup",
    "PredictionWriter",
    "RunRecord",
    "SearchMonitor",
    "SearchProgressBar",
    "TestReport",
    "TopologyMonitor",
]
