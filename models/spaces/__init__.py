"""Search spaces: what may be searched, how it is written, and the networks it stands for."""

from models.spaces.base import SearchSpace
from models.spaces.darts import DartsSpace
from models.spaces.genotype import DartsGenotype
from models.spaces.nasbench201 import NasBench201Space
from models.spaces.reading import read_architecture, space_named

__all__ = [
    "DartsGenotype",
    "DartsSpace",
    "NasBench201Space",
    "SearchSpace",
    "read_architecture",
    "space_named",
]
