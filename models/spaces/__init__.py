"""Search spaces: what may be searched, how it is written, and the networks it stands for."""

from models.spaces.base import ProxySetting, SearchSpace, SupernetSpace
from models.spaces.darts import DartsSpace
from models.spaces.extremes import Extremes
from models.spaces.genotype import DartsGenotype
from models.spaces.mobilenet import MobileChain, MobileNetSpace
from models.spaces.nasbench101 import NasBench101Space
from models.spaces.nasbench201 import NasBench201Space
from models.spaces.nds import NdsGenotype, NdsSpace
from models.spaces.reading import (
    as_space,
    as_supernet_space,
    read_architecture,
    read_budget,
    space_named,
)
from models.spaces.transnas_micro import TransNasMicroSpace
from models.spaces.vision_transformer import TransformerArchitecture, VisionTransformerSpace

__all__ = [
    "DartsGenotype",
    "DartsSpace",
    "Extremes",
    "MobileChain",
    "MobileNetSpace",
    "NasBench101Space",
    "NasBench201Space",
    "NdsGenotype",
    "NdsSpace",
    "ProxySetting",
    "SearchSpace",
    "SupernetSpace",
    "TransNasMicroSpace",
    "TransformerArchitecture",
    "VisionTransformerSpace",
    "as_space",
    "as_supernet_space",
    "read_architecture",
    "read_budget",
    "space_named",
]
