"""κ(NTK) as an indicator."""

import pytest
import torch
from torch import nn

from models.indicators.condition_number import NTKConditionNumber
from models.spaces import NasBench201Space

CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_1x1~2|"


def _gradient_rows(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """∂(sum of logits)/∂θ of each image, over the whole batch: (N, parameters)."""
    rows = []
    for i in range(len(images)):
        gradients = torch.autograd.grad(
            network(images)[i].sum(), list(network.parameters()), allow_unused=True
        )
        rows.append(torch.cat([g.flatten() for g in gradients if g is not None]))
    return torch.stack(rows)


def test_coupled_is_the_ratio_of_the_extreme_eigenvalues() -> None:
    space = NasBench201Space()
    network = space.network(space.parse(CELL), channels=2, cells_per_stage=1).double()
    images, labels = torch.randn(6, 3, 8, 8, dtype=torch.float64), torch.zeros(6).long()
    J = _gradient_rows(network, images)
    eigenvalues = torch.linalg.eigvalsh(J @ J.T)
    score = NTKConditionNumber("coupled").score(network, images, labels)
    assert score == pytest.approx((eigenvalues[-1] / eigenvalues[0]).item(), rel=1e-6)


def test_frozen_is_the_default_and_another_quantity() -> None:
    space = NasBench201Space()
    network = space.supernet(mask=space.full_mask())
    images, labels = torch.randn(8, 3, 8, 8), torch.zeros(8).long()
    frozen, coupled = (
        NTKConditionNumber(kind).score(network, images, labels) for kind in ("frozen", "coupled")
    )
    assert NTKConditionNumber().score(network, images, labels) == frozen
    assert frozen != pytest.approx(coupled, rel=0.1)


def test_a_singular_kernel_sorts_last() -> None:
    network = nn.Linear(2, 3)
    assert NTKConditionNumber().score(network, torch.ones(4, 2), torch.zeros(4)) == float("inf")
