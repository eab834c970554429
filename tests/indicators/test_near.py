"""NEAR against its formula, row by row, and on attention."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from models.indicators.near import Near
from models.testing import check_indicator


def _effective_rank(rows: torch.Tensor) -> float:
    sigma = np.linalg.svd(rows.detach().numpy(), compute_uv=False)
    p = sigma / sigma.sum()
    return math.exp(-sum(q * math.log(q) for q in p if q > 0))


class _Transformer(nn.Module):
    """Patches, a block of attention and GELU, and a readout."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 6, 4, stride=4)
        self.norm = nn.LayerNorm(6)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(6, 12), nn.GELU(), nn.Linear(12, 6))
        self.head = nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.patches(x).flatten(2).mT
        z = self.norm(y)
        y = y + self.attention(z, z, z)[0]
        logits: torch.Tensor = self.head((y + self.mlp(y)).mean(1))
        return logits


def test_equals_the_formula_row_by_row() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 4)
    ).double()
    images = torch.randn(5, 1, 4, 4, dtype=torch.float64)
    generator, outputs, expected = torch.Generator().manual_seed(2), images, 0.0
    for layer in network:
        outputs = layer(outputs)
        if isinstance(layer, nn.Flatten):
            continue
        columns = outputs.shape[1]
        pixels = outputs.movedim(1, -1).reshape(-1, columns)
        place = int(torch.randint(len(pixels) - columns + 1, (1,), generator=generator))
        expected += _effective_rank(pixels[place : place + columns])
    score = Near(repeats=1, seed=2).score(network, images, torch.zeros(5))
    assert score == pytest.approx(expected, rel=1e-9)


def test_repeats_are_the_mean_over_initialisations() -> None:
    """Of as many rows as there are, so that their place does not matter."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.ReLU())
    images = torch.randn(6, 1, 2, 2)
    weights = {name: p.clone() for name, p in network.named_parameters()}
    score = Near(repeats=3, seed=7).score(network, images, torch.zeros(6))
    for name, p in network.named_parameters():
        assert torch.equal(p, weights[name]), name
    scores = []
    for repeat in range(3):
        if repeat > 0:
            torch.manual_seed(7 + repeat)
            network[1].reset_parameters()
        scores.append(sum(_effective_rank(network[:stop](images)) for stop in (2, 3)))
    assert len(set(scores)) == 3
    assert score == pytest.approx(sum(scores) / 3, rel=1e-5)


def test_scores_attention_and_gelu_by_tokens() -> None:
    network = _Transformer()
    check_indicator(Near(), network)
    seen: list[torch.Tensor] = []
    network.mlp[1].register_forward_hook(lambda _, __, y: seen.append(y))
    images = torch.randn(8, 3, 8, 8)
    full = Near(repeats=1).score(network, images, torch.zeros(8))
    # 6 + 6 + 6 + 12 + 12 + 6 + 5 columns; attention's own projection is called inside of it
    assert 7 < full < 53
    assert seen[0].shape == (8, 4, 12)


def test_zeros_have_no_rank_and_weights_come_back_after_an_error() -> None:
    layer = nn.Linear(4, 3, bias=False)
    nn.init.zeros_(layer.weight)
    assert Near(repeats=1).score(layer, torch.randn(4, 4), torch.zeros(4)) == 0
    images = torch.full((4, 4), float("nan"))
    with pytest.raises(FloatingPointError, match="not finite"):
        Near().score(layer, images, torch.zeros(4))
    assert not layer.weight.any()


def test_refuses_what_it_cannot_draw_anew_or_see() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
    with pytest.raises(ValueError, match="weight that is no parameter"):
        Near().score(layer, torch.randn(4, 4), torch.zeros(4))
    with pytest.raises(ValueError, match="no trainable layer and no activation"):
        Near().score(nn.Flatten(), torch.randn(4, 4), torch.zeros(4))
    with pytest.raises(ValueError, match="repeats must be at least 1, given 0"):
        Near(0)
