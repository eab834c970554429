"""What every search shares: a fit of evaluations, its proxies and its random streams."""

from models.search.base import Evaluation, Search
from models.search.depth_width_filter import DepthWidthFilter
from models.search.describe import describe, describe_images
from models.search.proxies import (
    ImageSource,
    NetworkSource,
    ProxyBatch,
    draw_batch,
    draw_crops,
    random_crops,
)
from models.search.score_cache import ScoreCache

__all__ = [
    "DepthWidthFilter",
    "Evaluation",
    "ImageSource",
    "NetworkSource",
    "ProxyBatch",
    "ScoreCache",
    "Search",
    "describe",
    "describe_images",
    "draw_batch",
    "draw_crops",
    "random_crops",
]
