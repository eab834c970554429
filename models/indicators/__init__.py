"""Training-free indicators: pure functions of a network and a batch, and classes for searches."""

from models.indicators.activation_overlap import activation_overlap
from models.indicators.az_nas import Expressivity, Progressivity, Trainability
from models.indicators.base import Indicator
from models.indicators.condition_number import NTKConditionNumber
from models.indicators.depth_width import EffectiveDepth, EffectiveWidth
from models.indicators.gradient_flow import GradientFlow
from models.indicators.grasp import Grasp
from models.indicators.jacobian_covariance import JacobianCovariance
from models.indicators.linear_regions import linear_regions
from models.indicators.meco import MeCo
from models.indicators.naswot import ActivationOverlap
from models.indicators.near import Near
from models.indicators.nngp import nngp_kernel, paper_bound
from models.indicators.ntk import empirical_ntk, ntk_spectrum
from models.indicators.rank_aggregate import RankAggregate
from models.indicators.regions import LinearRegions
from models.indicators.relu_signs import pass_relu_signs
from models.indicators.size import Flops, Layers, Parameters
from models.indicators.snip import Snip
from models.indicators.spectrum import KernelSpectrum, kernel_spectrum
from models.indicators.swap import Swap
from models.indicators.synflow import SynFlow
from models.indicators.vkdnw import VKDNW
from models.indicators.zico import ZiCo

__all__ = [
    "VKDNW",
    "ActivationOverlap",
    "EffectiveDepth",
    "EffectiveWidth",
    "Expressivity",
    "Flops",
    "GradientFlow",
    "Grasp",
    "Indicator",
    "JacobianCovariance",
    "KernelSpectrum",
    "Layers",
    "LinearRegions",
    "MeCo",
    "NTKConditionNumber",
    "Near",
    "Parameters",
    "Progressivity",
    "RankAggregate",
    "Snip",
    "Swap",
    "SynFlow",
    "Trainability",
    "ZiCo",
    "activation_overlap",
    "empirical_ntk",
    "kernel_spectrum",
    "linear_regions",
    "nngp_kernel",
    "ntk_spectrum",
    "paper_bound",
    "pass_relu_signs",
]
