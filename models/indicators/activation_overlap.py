"""Overlap of a network's ReLU patterns over the samples of a batch (NASWOT)."""

import math

import torch
from torch import Tensor, nn

from models.indicators.relu_signs import pass_relu_signs
from models.indicators.spectrum import kernel_spectrum

_EXACT = 2**24  # integers up to here are exact in float32


def activation_overlap(network: nn.Module, inputs: Tensor) -> float:
    """log|det K|, K_ij the number of ReLUs that samples i and j agree on; higher is better.

    The score of Mellor et al. (arXiv 2006.04647v3, section 3; `hook_logdet` in their code), in
    nats: with the L signs of a sample as s = ±1, K = (s sᵀ + L)/2. −∞ where K is singular, as for
    two samples with the same signs. The network is evaluated in the mode that it is in, and left as
    it was found.

    Raises ValueError for fewer than two inputs or integer ones, or if no `nn.ReLU` is called.
    """
    K = torch.zeros(len(inputs), len(inputs), dtype=torch.float64)

    def add(signs: Tensor) -> None:
        for part in torch.split(signs, _EXACT, dim=1):
            s = part.to(torch.float32).mul_(2).sub_(1)
            K.add_((s @ s.T + part.shape[1]).cpu(), alpha=0.5)

    pass_relu_signs(network, inputs, add)
    spectrum = kernel_spectrum(K)
    if spectrum.rank < len(K):
        return -math.inf
    return float(spectrum.eigenvalues.log().sum())
