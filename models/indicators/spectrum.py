"""Eigenvalues of a kernel, and what they say of training."""

from typing import NamedTuple

import torch
from torch import Tensor

from models.indicators._autograd.checks import check_finite


class KernelSpectrum(NamedTuple):
    """Spectrum of a kernel of N samples.

    lambda_max, lambda_min: its extreme eigenvalues, as computed (rounding may leave the smallest
        one of a singular kernel slightly negative). A higher λ_min trains faster.
    condition_number: κ = λ_max / λ_min (lower trains faster); infinite for a singular kernel,
        never negative.
    rank: number of eigenvalues above N·ε·λ_max, ε the rounding of `precision`.
    eigenvalues: all N, ascending, float64, on the CPU.
    """

    lambda_max: float
    lambda_min: float
    condition_number: float
    rank: int
    eigenvalues: Tensor


def kernel_spectrum(kernel: Tensor, precision: torch.dtype = torch.float64) -> KernelSpectrum:
    """Spectrum of a symmetric positive semi-definite kernel (N, N), computed in float64.

    precision: of the numbers that the kernel was made from: float64 for `nngp_kernel`, float32 for
        the gradients of a float32 network. Eigenvalues up to N·ε·λ_max are rounding.

    Raises ValueError unless the kernel is square, FloatingPointError unless it is finite.
    """
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or len(kernel) == 0:
        raise ValueError(f"kernel must be of shape (N, N), given {tuple(kernel.shape)}")
    check_finite(kernel)
    eigenvalues = torch.linalg.eigvalsh(kernel.detach().to("cpu", torch.float64))
    lambda_min, lambda_max = eigenvalues[0].item(), eigenvalues[-1].item()
    resolved = max(len(kernel) * torch.finfo(precision).eps * lambda_max, 0.0)
    return KernelSpectrum(
        lambda_max=lambda_max,
        lambda_min=lambda_min,
        condition_number=lambda_max / lambda_min if lambda_min > resolved else float("inf"),
        rank=int((eigenvalues > resolved).sum()),
        eigenvalues=eigenvalues,
    )
