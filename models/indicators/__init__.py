"""Training-free indicators: pure functions of a network and a batch."""

from models.indicators._spectrum import KernelSpectrum
from models.indicators.ntk import empirical_ntk, ntk_spectrum

__all__ = ["KernelSpectrum", "empirical_ntk", "ntk_spectrum"]
