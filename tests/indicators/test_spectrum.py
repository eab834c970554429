"""Eigenvalues of kernels that are known."""

import math

import pytest
import torch

from models.indicators import kernel_spectrum


def test_spectrum() -> None:
    Q, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))
    spectrum = kernel_spectrum(Q @ torch.diag(torch.tensor([4.0, 1.0, 1e-6]).double()) @ Q.T)
    assert spectrum.lambda_max == pytest.approx(4)
    assert spectrum.lambda_min == pytest.approx(1e-6)
    assert spectrum.condition_number == pytest.approx(4e6)
    assert spectrum.rank == 3


def test_spectrum_of_float32_gradients_drops_what_they_cannot_resolve() -> None:
    kernel = torch.diag(torch.tensor([4.0, 1.0, 1e-7], dtype=torch.float64))
    spectrum = kernel_spectrum(kernel, precision=torch.float32)
    assert spectrum.condition_number == math.inf
    assert spectrum.rank == 2


def test_spectrum_refuses() -> None:
    with pytest.raises(ValueError, match=r"kernel must be of shape \(N, N\), given \(2, 3\)"):
        kernel_spectrum(torch.ones(2, 3))
    with pytest.raises(FloatingPointError, match="not finite in 1 of 4 entries"):
        kernel_spectrum(torch.tensor([[1.0, 0.0], [0.0, math.inf]]))
