"""Training-free indicators: pure functions of a network and a batch."""

from models.indicators.ntk import NtkSpectrum, empirical_ntk, ntk_spectrum

__all__ = ["NtkSpectrum", "empirical_ntk", "ntk_spectrum"]
