"""Training-free indicators: pure functions of a network and a batch."""

from models.indicators._spectrum import KernelSpectrum
from models.indicators.activation_overlap import activation_overlap
from models.indicators.linear_regions import linear_regions
from models.indicators.ntk import empirical_ntk, ntk_spectrum

__all__ = [
    "KernelSpectrum",
    "activation_overlap",
    "empirical_ntk",
    "linear_regions",
    "ntk_spectrum",
]
