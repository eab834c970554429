"""Layers as matrix products, against torch's own."""

import pytest
import torch
from torch import nn

from models.indicators._autograd.fast_layers import fast_layers

CPU = torch.device("cpu")


@pytest.fixture
def small_batches_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.indicators._autograd.fast_layers._PIXELS", 0)


@pytest.mark.parametrize(
    ("layer", "replaced"),
    [
        (nn.AvgPool2d(3, 1, 1, count_include_pad=False), True),
        (nn.AvgPool2d((2, 3), (2, 1), (1, 0), ceil_mode=True), True),
        (nn.AvgPool2d(5, stride=3, padding=2, count_include_pad=False, ceil_mode=True), True),
        (nn.AvgPool2d(3, divisor_override=2), False),
        (nn.Conv2d(4, 6, 1), True),
        (nn.Conv2d(4, 6, 1, bias=False), True),
        (nn.Conv2d(2, 6, 1, padding=1, stride=2), True),
        (nn.Conv2d(2, 6, 3, padding=1), True),
        (nn.Conv2d(2, 8, (3, 2), padding=(0, 3), stride=(2, 3), dilation=(1, 2), groups=2), True),
        (nn.Conv2d(1, 4, 5, padding=4, dilation=2, bias=False), True),
        (nn.Conv2d(2, 2, 3, padding=1, stride=2, groups=2), True),
        (nn.Conv2d(2, 6, 3, padding="same"), False),
        (nn.Conv2d(2, 6, 3, padding=1, padding_mode="circular"), False),
    ],
)
@pytest.mark.parametrize("size", [(7, 10), (7, 80)])
@pytest.mark.usefixtures("small_batches_too")
def test_same_values_and_gradients(layer: nn.Module, replaced: bool, size: tuple[int, int]) -> None:
    layer = layer.double()
    channels = getattr(layer, "in_channels", 4)
    x = torch.randn(3, channels, *size, dtype=torch.float64, requires_grad=True)
    expected = layer(x)
    g = torch.randn_like(expected)
    with_respect_to = [x, *layer.parameters()]
    with fast_layers(nn.Sequential(layer), CPU):
        assert ("forward" in vars(layer)) is replaced
        y = layer(x)
    assert "forward" not in vars(layer)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(
        torch.autograd.grad(y, with_respect_to, g),
        torch.autograd.grad(expected, with_respect_to, g),
    )


def test_many_channels_are_left_to_torch() -> None:
    wide, pointwise = nn.Conv2d(16, 2, 3), nn.Conv2d(16, 2, 1)
    with fast_layers(nn.Sequential(wide, pointwise), CPU):
        assert "forward" not in vars(wide)
        assert "forward" in vars(pointwise)


@pytest.mark.parametrize(("device", "batched"), [("cuda", False), ("cpu", True)])
def test_elsewhere_nothing_is_replaced(device: str, batched: bool) -> None:
    layer = nn.Conv2d(1, 1, 3)
    with fast_layers(nn.Sequential(layer), torch.device(device), batched):
        assert "forward" not in vars(layer)


def test_many_windows_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.indicators._autograd.fast_layers._ENTRIES", 10)
    layer, x = nn.Conv2d(2, 3, 3), torch.randn(2, 2, 6, 6)
    expected = layer(x)
    with fast_layers(nn.Sequential(layer), CPU):
        y = layer(x)
    assert torch.equal(y, expected)
    assert type(y.grad_fn).__name__ == "ConvolutionBackward0"


@pytest.mark.usefixtures("small_batches_too")
def test_single_image() -> None:
    layers = nn.Sequential(nn.Conv2d(2, 3, 1), nn.AvgPool2d(2))
    x = torch.randn(2, 6, 6)
    expected = layers(x)
    with fast_layers(layers, CPU):
        torch.testing.assert_close(layers(x), expected)
