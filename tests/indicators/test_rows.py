"""Rows of a Jacobian where the device has no memory for many at once."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.indicators._autograd import rows
from models.indicators._autograd.gram import Gram


@pytest.mark.parametrize("fits", [3, 1, 0])
def test_a_chunk_that_does_not_fit_is_tried_again_smaller(
    fits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, x = nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), torch.randn(7, 3, 2, 2)
    theta = list(network.parameters())
    tried: list[int] = []

    def compute(F: Tensor, theta: list[Tensor], cotangents: Tensor, whole: Any = rows._rows) -> Any:
        tried.append(len(cotangents))
        if len(cotangents) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return whole(F, theta, cotangents)

    monkeypatch.setattr(rows, "_rows", compute)
    gram, target = Gram(7, x.device), network(x).sum(1)
    if not fits:
        with pytest.raises(torch.OutOfMemoryError):
            rows.add_rows(gram, [target], theta, 6)
        return
    rows.add_rows(gram, [target, target], theta, 6)
    J = torch.cat([x.flatten(1), torch.ones(7, 1)], 1).double()
    assert torch.allclose(gram.kernel(), 2 * 5 * J @ J.T)
    # the second function begins with what fitted the first
    assert tried == {3: [6, 3, 3, 1, 3, 3, 1], 1: [6, 3, *[1] * 14]}[fits]
