"""Dropout off while a callback measures."""

from torch import nn
from torchvision.ops import StochasticDepth

from callbacks.probe import dropout_off


def test_every_kind_of_dropout_is_off_within_and_as_before_after() -> None:
    kinds = [getattr(nn, name) for name in dir(nn) if "Dropout" in name]
    layers = nn.ModuleList([*(kind() for kind in kinds), StochasticDepth(0.5, "row")])
    frozen = nn.Dropout().eval()
    norm = nn.BatchNorm2d(2)
    with dropout_off(nn.ModuleList([layers, frozen, norm])):
        assert [type(layer).__name__ for layer in layers if layer.training] == []
        assert norm.training
    assert all(layer.training for layer in layers)
    assert not frozen.training
