"""Extreme eigenvalues, condition number and rank, and where rounding ends them."""

import math

import pytest
import torch

from models.indicators import kernel_spectrum, ntk_spectrum


def test_spectrum() -> None:
    Q = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))[0]
    spectrum = ntk_spectrum(Q @ torch.diag(torch.tensor([1.0, 2, 4, 8], dtype=torch.float64)) @ Q.T)
    assert spectrum[:4] == pytest.approx((8.0, 1.0, 8.0, 4))
    torch.testing.assert_close(
        spectrum.eigenvalues, torch.tensor([1.0, 2, 4, 8], dtype=torch.float64)
    )


@pytest.mark.parametrize("smallest", [0.0, 2e-7, -1e-3])  # N·ε₃₂·λ_max is 3.6e-7
def test_singular_kernel_has_infinite_condition_number(smallest: float) -> None:
    spectrum = ntk_spectrum(torch.diag(torch.tensor([1.0, smallest, 0.5], dtype=torch.float64)))
    assert spectrum.condition_number == math.inf
    assert spectrum.rank == 2


def test_kernel_is_not_singular_above_rounding() -> None:
    spectrum = ntk_spectrum(torch.diag(torch.tensor([1.0, 5e-7, 0.5], dtype=torch.float64)))
    assert (spectrum.condition_number, spectrum.rank) == (pytest.approx(2e6), 3)


def test_spectrum_of_a_kernel_in_float64_keeps_what_float32_gradients_cannot_resolve() -> None:
    spectrum = kernel_spectrum(torch.diag(torch.tensor([4.0, 1.0, 1e-7], dtype=torch.float64)))
    assert spectrum.lambda_max == pytest.approx(4)
    assert spectrum.lambda_min == pytest.approx(1e-7)
    assert spectrum.condition_number == pytest.approx(4e7)
    assert spectrum.rank == 3


def test_spectrum_refuses() -> None:
    with pytest.raises(ValueError, match=r"kernel must be of shape \(N, N\), given \(2, 3\)"):
        kernel_spectrum(torch.ones(2, 3))
    with pytest.raises(FloatingPointError, match="not finite in 1 of 4 entries"):
        kernel_spectrum(torch.tensor([[1.0, 0.0], [0.0, math.inf]]))
