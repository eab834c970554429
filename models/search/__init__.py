"""What every search shares: a fit of evaluations, its proxies and its random streams."""

from models.search.base import Evaluation, Search
from models.search.describe import describe
from models.search.proxies import ImageSource, ProxyBatch, draw_batch, random_crops

__all__ = [
    "Evaluation",
    "ImageSource",
    "ProxyBatch",
    "Search",
    "describe",
    "draw_batch",
    "random_crops",
]
