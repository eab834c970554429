"""Indicators of inverted residuals and of transformers against slow references in float64."""

import copy
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from datamodules import DigitsDataModule
from models import SamplingSearch
from models.indicators import (
    VKDNW,
    ActivationOverlap,
    Expressivity,
    Flops,
    GradientFlow,
    Grasp,
    Indicator,
    JacobianCovariance,
    Layers,
    LinearRegions,
    Near,
    NTKConditionNumber,
    Parameters,
    Progressivity,
    Snip,
    SynFlow,
    Trainability,
    ZiCo,
    activation_overlap,
    empirical_ntk,
)
from models.networks import MobileNet, MobileStage, TransformerLayer, VisionTransformer
from models.networks.cost import cost

N, PIXELS, CLASSES = 6, 16, 5
SHAPE = (3, PIXELS, PIXELS)


def chain() -> MobileNet:
    stages = [MobileStage(3, 1, 8, 1, False)] * 7
    stages[2], stages[4] = MobileStage(5, 3, 8, 2, True), MobileStage(7, 2, 12, 2, False)
    return MobileNet(stages, CLASSES, reduction=4)


def transformer() -> VisionTransformer:
    layers = [TransformerLayer(2, 16), TransformerLayer(1, 24)]
    return VisionTransformer(8, layers, CLASSES, image_size=PIXELS, patch_size=8)


@pytest.fixture(params=[chain, transformer])
def network(request: pytest.FixtureRequest) -> Any:
    network: nn.Module = request.param().double()
    for p in network.parameters():  # what begins at 0 would hide mistakes
        p.data += 0.1 * torch.randn_like(p)
    return network


@pytest.fixture
def images() -> Tensor:
    return torch.randn(N, *SHAPE, dtype=torch.float64)


LABELS = torch.arange(N) % CLASSES
ACTIVATIONS = nn.GELU | nn.ReLU | nn.ReLU6 | nn.SiLU | nn.Sigmoid | nn.Hardswish | nn.Hardsigmoid


class Frozen(nn.Module):
    """Batch normalisation, written out, with constant batch statistics."""

    def __init__(self, layer: nn.BatchNorm2d) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = layer.weight, layer.bias, layer.eps

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = x.detach().mean((0, 2, 3)), x.detach().var((0, 2, 3), unbiased=False)
        x = (x - mean[:, None, None]) / (variance + self.eps).sqrt()[:, None, None]
        return x * self.weight[:, None, None] + self.bias[:, None, None]


def replaced(network: nn.Module, make: Any) -> nn.Module:
    """A copy with other modules instead of its batch normalisations."""
    network = copy.deepcopy(network)
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, make(child))
    return network


def weights(network: nn.Module) -> list[Tensor]:
    return [m.weight for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d)]


@pytest.mark.parametrize("batch_norm", ["frozen", "coupled"])
@pytest.mark.parametrize("output", ["sum", "trace"])
def test_ntk(network: Any, images: Tensor, batch_norm: Any, output: Any) -> None:
    twin = replaced(network, Frozen) if batch_norm == "frozen" else copy.deepcopy(network)
    logits = twin(images)
    K = torch.zeros(N, N, dtype=torch.float64)
    for F in [logits.sum(1)] if output == "sum" else logits.unbind(1):
        rows = []
        for value in F:
            twin.zero_grad()
            value.backward(retain_graph=True)
            rows.append(torch.cat([p.grad.ravel() for p in twin.parameters()]))
        K += torch.stack(rows) @ torch.stack(rows).T
    found = empirical_ntk(network, images, batch_norm, output=output)
    torch.testing.assert_close(found, K, rtol=1e-9, atol=1e-9 * float(K.max()))
    if output == "sum":
        values = torch.linalg.eigvalsh(K)
        score = NTKConditionNumber(batch_norm).score(network, images, LABELS)
        assert score == pytest.approx(float(values[-1] / values[0]), rel=1e-6)


def test_synflow(network: Any, images: Tensor) -> None:
    twin = replaced(network, lambda _: nn.Identity())
    for p in twin.parameters():
        p.data.abs_()
    twin(torch.ones(1, *SHAPE, dtype=torch.float64)).sum().backward()
    flow = sum(float((w * w.grad).detach().abs().sum()) for w in weights(twin))
    assert SynFlow().score(network, images, LABELS) == pytest.approx(math.log(flow), rel=1e-9)


def test_zico(network: Any, images: Tensor) -> None:
    twin = copy.deepcopy(network)
    parts = []
    for part in (slice(0, 3), slice(3, 6)):
        twin.zero_grad()
        functional.cross_entropy(twin(images[part]), LABELS[part]).backward()
        parts.append([w.grad.ravel().tolist() for w in weights(twin)])
    expected = 0.0
    for first, second in zip(*parts, strict=True):
        total = 0.0
        largest = max(map(abs, first + second))
        for a, b in zip(first, second, strict=True):
            if abs(a - b) / 2 > 1e-14 * largest:
                total += (abs(a) + abs(b)) / 2 / (abs(a - b) / 2)
        expected += math.log(total)
    assert ZiCo().score(network, images, LABELS) == pytest.approx(expected, rel=1e-6)


def features(network: Any, images: Tensor) -> list[Tensor]:
    """What enters the first block and leaves every one: (N, channels, height, width)."""
    first = getattr(network, "tokens", None) or network.stem
    found = [first(images)]
    for block in network.blocks:
        found.append(block(found[-1]))
    return found


def by_channel(x: Tensor) -> Tensor:
    """(N, positions, channels)."""
    return x if x.ndim == 3 else x.flatten(2).mT


def test_gradient_flow(network: Any, images: Tensor) -> None:
    twin = copy.deepcopy(network)
    x = features(twin, images)[0].detach().requires_grad_()
    y = twin.blocks(x)
    logits = twin.head(y if isinstance(twin, MobileNet) else twin.norm(y[:, 0]))
    functional.cross_entropy(logits, LABELS).backward()
    expected = math.log(float(x.grad.norm()))
    assert GradientFlow().score(network, images, LABELS) == pytest.approx(expected, rel=1e-9)


def test_expressivity_and_progressivity(network: Any, images: Tensor) -> None:
    H = []
    for x in features(copy.deepcopy(network), images):
        pixels = by_channel(x.detach()).flatten(0, 1).numpy()
        p = np.linalg.eigvalsh(np.cov(pixels.T, bias=True)).clip(0)
        p /= p.sum()
        H.append(float(-sum(q * math.log(q) for q in p if q > 0)))
    assert Expressivity().score(network, images, LABELS) == pytest.approx(sum(H), rel=1e-8)
    least = min(b - a for a, b in pairwise(H))
    assert Progressivity().score(network, images, LABELS) == pytest.approx(least, rel=1e-7)


def test_trainability(network: Any, images: Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    terms = []
    for f_in, f_out in pairwise(features(copy.deepcopy(network), images)):
        signs = torch.randint(2, f_out.shape, generator=generator, dtype=torch.int8)
        g_out = 2.0 * signs.double() - 1.0
        (g_in,) = torch.autograd.grad(f_out, f_in, g_out, retain_graph=True)
        stride = 1 if f_in.ndim == 3 else len(f_in[0, 0]) // len(f_out[0, 0])
        mean = 0
        for i in range(N):
            for position in range(by_channel(f_out).shape[1]):
                if f_in.ndim == 3:
                    before = g_in[i, position]
                else:
                    row, column = divmod(position, f_out.shape[3])
                    before = g_in[i, :, row * stride : (row + 1) * stride,
                                  column * stride : (column + 1) * stride].flatten()  # fmt: skip
                mean = mean + torch.outer(before, by_channel(g_out)[i, position])
        sigma = float(torch.linalg.matrix_norm(mean / by_channel(f_out)[..., 0].numel(), 2))
        terms.append(2 - sigma - 1 / sigma)
    expected = sum(terms) / len(terms)
    assert Trainability().score(network, images, LABELS) == pytest.approx(expected, rel=1e-8)


def test_sizes(network: Any, images: Tensor) -> None:
    """Of the layers' shapes; attention adds two products of tokens with tokens a head."""
    counted: list[int] = []

    def count(layer: Any, _: Any, output: Tensor) -> None:
        weight = layer.weight
        positions = output[0].numel() // len(weight)
        counted.append(positions * weight.numel())

    twin = copy.deepcopy(network)
    for layer in twin.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            layer.register_forward_hook(count)
    twin(images)
    attention = sum(
        2 * 5**2 * 64 * block.attention[1].heads
        for block in network.blocks
        if isinstance(network, VisionTransformer)
    )
    multiply_adds = sum(counted) + attention
    numbers = sum(p.numel() for p in network.parameters())
    assert cost(network.float(), SHAPE) == (numbers, len(counted), multiply_adds)
    sizes = [
        one.score(network.float(), images.float(), LABELS)
        for one in (Parameters(), Layers(), Flops())
    ]
    assert sizes == [numbers, len(counted), 2 * multiply_adds]


def test_others_give_a_number(network: Any, images: Tensor) -> None:
    every: list[Indicator] = [Snip(), Grasp(), JacobianCovariance()]
    if isinstance(network, MobileNet):
        every += [ActivationOverlap(), VKDNW()]
    for indicator in every:
        assert math.isfinite(indicator.score(network.float(), images.float(), LABELS))


def test_grasp_differentiates_attention_twice(images: Tensor) -> None:
    network = transformer().double()
    loss = functional.cross_entropy(attention_by_hand(network, images), LABELS)
    w = weights(network)
    g = torch.autograd.grad(loss, w, create_graph=True)
    squared = sum((a.detach() * a).sum() for a in g)
    Hg = torch.autograd.grad(squared, w)
    expected = -sum(float((a * b).detach().sum()) for a, b in zip(w, Hg, strict=True))
    assert Grasp().score(network, images, LABELS) == pytest.approx(expected, rel=1e-8)


def attention_by_hand(network: VisionTransformer, images: Tensor) -> Tensor:
    """Logits, one head and one query at a time."""
    x = network.tokens(images)
    for block in network.blocks:
        norm, attention = block.attention
        z = attention.queries_keys_values(norm(x))
        q, k, v = z.chunk(3, dim=2)
        heads = []
        for i in range(attention.heads):
            part = slice(64 * i, 64 * (i + 1))
            shares = (q[..., part] @ k[..., part].mT / 8).softmax(2)
            heads.append(shares @ v[..., part])
        x = x + attention.output(torch.cat(heads, dim=2))
        x = x + block.mlp(x)
    logits: Tensor = network.head(network.norm(x[:, 0]))
    return logits


def test_a_relu6_has_a_sign() -> None:
    network, images = chain().train(), torch.randn(N, *SHAPE)
    signs = []
    for module in network.modules():
        if isinstance(module, nn.ReLU | nn.ReLU6):
            module.register_forward_hook(lambda _, __, y: signs.append((y > 0).flatten(1)))
    score = activation_overlap(network, images)
    s = torch.cat(signs[: len(signs)], dim=1).double() * 2 - 1
    K = (s @ s.T + s.shape[1]) / 2
    assert score == pytest.approx(float(torch.linalg.slogdet(K).logabsdet), rel=1e-6)


@pytest.mark.parametrize(
    ("indicator", "space", "message"),
    [
        (ActivationOverlap(), "vision_transformer", "activation_overlap reads the signs of ReLUs"),
        (None, "vision_transformer", "activation_overlap reads the signs of ReLUs"),
        (VKDNW(), "vision_transformer", "vkdnw knows no derivative by layer normalisations"),
        (LinearRegions(), "vision_transformer", "linear_regions scores the thin network"),
        (LinearRegions(), "mobilenet", "linear_regions scores the thin network"),
    ],
)
def test_a_search_refuses_what_the_space_cannot_have(
    indicator: Any, space: str, message: str
) -> None:
    with pytest.raises(ValueError, match=f"indicator: {message}.*; NTKConditionNumber works") as e:
        SamplingSearch(DigitsDataModule(), space, indicator=indicator, samples=2)
    assert "\n" not in str(e.value)


def test_refusals_name_another() -> None:
    images = torch.randn(N, *SHAPE)
    with pytest.raises(ValueError, match=r"no activation pattern .*JacobianCovariance needs none"):
        ActivationOverlap().score(transformer(), images, LABELS)
    with pytest.raises(ValueError, match=r"derivative by tokens\.class_token.*NTKConditionNumber"):
        VKDNW().score(transformer(), images, LABELS)


def test_near_reads_every_layer_by_pixels_or_tokens(network: Any, images: Tensor) -> None:
    outputs: list[Tensor] = []
    handles = [
        module.register_forward_hook(lambda _, __, output: outputs.append(output.detach()))
        for module in network.modules()
        if hasattr(module, "weight") or isinstance(module, ACTIVATIONS)
    ]
    network(images)
    for handle in handles:
        handle.remove()
    generator, expected = torch.Generator().manual_seed(3), 0.0
    for output in outputs:
        rows = output.movedim(1, -1) if output.ndim == 4 else output
        rows = rows.reshape(-1, rows.shape[-1])
        count = min(rows.shape)
        place = int(torch.randint(max(len(rows) - rows.shape[1], 0) + 1, (1,), generator=generator))
        sigma = torch.linalg.svdvals(rows[place : place + count])
        shares = [float(value / sigma.sum()) for value in sigma]
        expected += math.exp(-sum(p * math.log(p) for p in shares if p > 0))
    assert len(outputs) > 10
    score = Near(repeats=1, seed=3).score(network, images, LABELS)
    assert score == pytest.approx(expected, rel=1e-9)
