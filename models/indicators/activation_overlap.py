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
    # with a = (s + 1)/2, agreements are L − a_i·a_i − a_j·a_j + 2 a_i·a_j
    both, units = torch.zeros(len(inputs), len(inputs), dtype=torch.float64), 0

    def add(signs: Tensor) -> None:
        nonlocal units
        units += signs.shape[1]
        for part in torch.split(signs, _EXACT, dim=1):
            a = part.to(torch.float32)
            both.add_((a @ a.T).cpu())

    pass_relu_signs(network, inputs, add)
    active = both.diagonal()
    K = units - active[:, None] - active + 2 * both
    spectrum = kernel_spectrum(K)
    if spectrum.rank < len(K):
        return -math.inf
    return float(spectrum.eigenvalues.log().sum())
