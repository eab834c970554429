"""Searches, their rules on plain values, scoring, constraints and the cache of scores."""

from models.search.base import Search
from models.search.budget import Budget
from models.search.constraints import Constraint, Limit
from models.search.costs import Costs
from models.search.depth_width_filter import DepthWidthFilter
from models.search.describe import describe, describe_architecture, describe_images
from models.search.images import (
    ImageSource,
    NetworkSource,
    ProxyBatch,
    draw_batch,
    draw_crops,
    random_crops,
)
from models.search.pruning_search import PruningSearch
from models.search.sampling_search import SamplingSearch
from models.search.score_cache import ScoreCache
from models.search.scoring import Evaluation, Scorer

__all__ = [
    "Budget",
    "Constraint",
    "Costs",
    "DepthWidthFilter",
    "Evaluation",
    "ImageSource",
    "Limit",
    "NetworkSource",
    "ProxyBatch",
    "PruningSearch",
    "SamplingSearch",
    "ScoreCache",
    "Scorer",
    "Search",
    "describe",
    "describe_architecture",
    "describe_images",
    "draw_batch",
    "draw_crops",
    "random_crops",
]
