"""What every search shares: a fit of evaluations, its proxies and its random streams."""

from models.search.base import Evaluation, Search
from models.search.depth_width_filter import DepthWidthFilter
from models.search.describe import describe, describe_images
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

__all__ = [
    "DepthWidthFilter",
    "Evaluation",
    "ImageSource",
    "NetworkSource",
    "ProxyBatch",
    "PruningSearch",
    "SamplingSearch",
    "ScoreCache",
    "Search",
    "describe",
    "describe_images",
    "draw_batch",
    "draw_crops",
    "random_crops",
]
