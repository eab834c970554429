"""Initialisation: variances, reproducibility, and the global random state."""

import pytest
import torch
from torch import nn

from models.networks import TransformerLayer, VisionTransformer
from models.networks.initialisation import Scheme, initialise_


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(16, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.Flatten(), nn.Linear(256, 400)
    )


@pytest.mark.parametrize(
    ("scheme", "conv_fan", "linear_fan"), [("fan_out", 64 * 9, 400), ("fan_in", 16 * 9, 256)]
)
def test_variance_is_two_over_fan(scheme: Scheme, conv_fan: int, linear_fan: int) -> None:
    net = network()
    initialise_(net, scheme, torch.Generator().manual_seed(1))
    for layer, fan in ((net[0], conv_fan), (net[4], linear_fan)):
        assert layer.weight.var().item() == pytest.approx(2 / fan, rel=0.05)
        assert layer.weight.mean().abs().item() < 0.05 * (2 / fan) ** 0.5
        assert not layer.bias.any()


def test_batch_norm_is_reset() -> None:
    net = network()
    norm = net[1]
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    norm(torch.randn(8, 64, 2, 2))
    initialise_(net, "fan_in", torch.Generator())
    assert torch.equal(norm.weight, torch.ones(64))
    assert not norm.bias.any()
    assert not norm.running_mean.any()
    assert torch.equal(norm.running_var, torch.ones(64))
    assert norm.num_batches_tracked == 0


def test_the_generator_alone_decides() -> None:
    first, second, third = network(), network(), network()
    state = torch.get_rng_state()
    generator = torch.Generator().manual_seed(3)
    initialise_(first, "fan_out", generator)
    initialise_(third, "fan_out", generator)
    initialise_(second, "fan_out", torch.Generator().manual_seed(3))
    assert torch.equal(torch.get_rng_state(), state)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first[0].weight, third[0].weight), "repeats must not reuse weights"


def test_layer_normalisations_and_what_draws_itself() -> None:
    first, second = (VisionTransformer(8, [TransformerLayer(1, 16)]) for _ in range(2))
    state = torch.get_rng_state()
    for one in (first, second):
        for p in one.parameters():
            p.data.fill_(7)
        initialise_(one, "fan_in", torch.Generator().manual_seed(3))
    assert torch.equal(torch.get_rng_state(), state)
    for (name, a), b in zip(first.named_parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not (a == 7).any(), name
    assert set(first.norm.weight.tolist()) == {1.0}
    assert float(first.tokens.positions.detach().std()) == pytest.approx(0.02, rel=0.1)


def test_unknown_scheme_and_unknown_parameters() -> None:
    with pytest.raises(ValueError, match="scheme: expected 'fan_out' or 'fan_in', got 'kaiming'"):
        initialise_(network(), "kaiming", torch.Generator())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"no initialisation is known for 1 \(PReLU\)"):
        initialise_(nn.Sequential(nn.ReLU(), nn.PReLU()), "fan_in", torch.Generator())
