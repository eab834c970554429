"""Graphs of torch modules, against path depths worked out from the modules by hand."""

import logging
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import networkx as nx
import pytest
import torch
from torch import Tensor, nn
from torch.ao.nn.quantized import dynamic as quantized
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from torchvision import models as zoo
from torchvision.ops import DeformConv2d

from models.topology import Dag, effective_depth_width
from models.topology.trace import trace


class Lambda(nn.Module):
    """A forward in one line, with whatever parameters it needs."""

    def __init__(self, forward: Callable[..., Any], **children: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.function = forward
        for name, child in children.items():
            setattr(self, name, child)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(self, *args, **kwargs)


def depths(graph: "nx.MultiDiGraph[int]") -> list[int]:
    """Operations on every path from every input to the output, by enumeration."""
    return sorted(
        sum(graph.edges[edge]["operations"] for edge in path)
        for start in graph.graph["inputs"]
        for path in nx.all_simple_edge_paths(graph, start, graph.graph["output"])
    )


def fc(n: int = 4, m: int = 4) -> nn.Linear:
    return nn.Linear(n, m)


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(*shape))


X = torch.zeros(2, 3, 4)

CASES: dict[str, tuple[nn.Module, list[int]]] = {
    "chain": (nn.Sequential(fc(), nn.ReLU(), fc(), nn.BatchNorm1d(3)), [2]),
    "residual": (Lambda(lambda m, x: x + m.a(x), a=fc()), [0, 1]),
    "shared layer called twice": (Lambda(lambda m, x: m.a(torch.relu(m.a(x))), a=fc()), [2]),
    "tied weights": (Lambda(lambda m, x: functional.linear(m.a(x), m.a.weight.t()), a=fc()), [2]),
    "sum with itself": (Lambda(lambda m, x: x + x), [0, 0]),
    "gate": (Lambda(lambda m, x: x * torch.sigmoid(m.a(x)), a=fc()), [0, 1]),
    "chunks": (Lambda(lambda m, x: torch.mul(*x.chunk(2, -1))), [0, 0]),
    "indexing": (Lambda(lambda m, x: m.a(x[:, 0]), a=fc()), [1]),
    "shape arithmetic": (Lambda(lambda m, x: m.a(x).view(x.shape[0], x.size(1) * 4), a=fc()), [1]),
    "zeros like it": (Lambda(lambda m, x: m.a(x) + torch.zeros_like(x), a=fc()), [1]),
    "position embedding": (Lambda(lambda m, x: m.a(x + m.p), a=fc(), p=weight(3, 4)), [1]),
    "class token": (
        Lambda(lambda m, x: torch.cat([m.p.expand(len(x), 1, 4), x], 1), p=weight(1, 1, 4)),
        [0],
    ),
    "matmul with a parameter": (Lambda(lambda m, x: x @ m.p, p=weight(4, 5)), [1]),
    "einsum": (Lambda(lambda m, x: torch.einsum("bij,jk->bki", x, m.p), p=weight(4, 5)), [1]),
    "low rank": (
        Lambda(lambda m, x: m.a(x) + x @ m.p @ m.q, a=fc(), p=weight(4, 1), q=weight(1, 4)),
        [1, 2],
    ),
    "product of activations": (Lambda(lambda m, x: m.a(x) @ x.mT, a=fc()), [0, 1]),
    "product with a constant": (Lambda(lambda m, x: x @ torch.eye(4)), [0]),
    "bilinear": (Lambda(lambda m, x: m.a(x, x), a=nn.Bilinear(4, 4, 2)), [1, 1]),
    "weight norm": (nn.utils.parametrizations.weight_norm(fc()), [1]),
    "dropout and activations": (nn.Sequential(nn.Dropout(), nn.GELU(), nn.SiLU()), [0]),
    "dictionary of outputs": (Lambda(lambda m, x: {"y": m.a(x), "x": x}, a=fc()), [0, 1]),
    "checkpoint": (
        Lambda(lambda m, x: checkpoint(lambda y: y + m.a(y), x, use_reentrant=False), a=fc()),
        [0, 1],
    ),
    "custom function": (Lambda(lambda m, x: _Double.apply(m.a(x)), a=fc()), [1]),
}  # fmt: skip


class _Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return 2 * gradients[0]


@pytest.mark.parametrize("name", CASES)
def test_depths_of_small_modules(name: str) -> None:
    module, expected = CASES[name]
    graph = trace(module, X)
    assert depths(graph) == expected
    depth = Fraction(sum(expected), len(expected))
    assert effective_depth_width(graph).depth == pytest.approx(float(depth))


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (nn.Conv2d(2, 4, 3, groups=2, padding="same"), (1, 2, 5, 5), 1),
        (
            Lambda(lambda m, x: torch.conv_tbc(x, m.p, x.new_zeros(3)), p=weight(1, 2, 3)),
            (5, 1, 2),
            1,
        ),
        (nn.ConvTranspose2d(2, 3, 3), (1, 2, 5, 5), 1),
        (nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 2, 1)), (1, 4, 5, 5), 2),
        (nn.Sequential(nn.BatchNorm2d(4), nn.AvgPool2d(2), nn.PReLU()), (2, 4, 4, 4), 0),
        (nn.Sequential(nn.GroupNorm(2, 4), nn.InstanceNorm2d(4)), (2, 4, 4, 4), 0),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_kinds_of_layers(
    module: nn.Module, shape: tuple[int, ...], expected: int, training: bool
) -> None:
    assert depths(trace(module.train(training), torch.zeros(shape))) == [expected]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("need_weights", [True, False])
def test_attention(training: bool, need_weights: bool) -> None:
    attention = nn.MultiheadAttention(4, 2, batch_first=True).train(training)

    def output(m: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        result: Tensor = m.a(q, k, v, need_weights=need_weights)[0]
        return result

    itself = Lambda(lambda m, x: output(m, x, x, x), a=attention)
    assert depths(trace(itself, X)) == [2, 2, 2]
    across = Lambda(lambda m, x, y: output(m, x, y, y), a=attention)
    assert depths(trace(across, (X, X))) == [2, 2, 2]
    keys_only = Lambda(lambda m, x: output(m, m.p, x, m.p), a=attention, p=weight(2, 3, 4))
    assert depths(trace(keys_only, X)) == [2]


def test_attention_weights_bypass_the_output_projection() -> None:
    attention = nn.MultiheadAttention(4, 2, batch_first=True)
    weights = Lambda(lambda m, x: m.a(x, x, x)[1], a=attention)
    assert depths(trace(weights, X)) == [1, 1]


@pytest.mark.parametrize("training", [True, False])
def test_transformer_encoder(training: bool) -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2).train(training)
    block = [a + b for a in (0, 2, 2, 2) for b in (0, 2)]
    assert depths(trace(encoder, X)) == sorted(a + b for a in block for b in block)


def test_writes_into_slices() -> None:
    def halves(m: Any, x: Tensor) -> Tensor:
        out = x.new_zeros(2, 3, 8)
        out[..., :4] = m.a(x)
        out[..., 4:] += x
        out[..., 0] = 0
        return out

    assert depths(trace(Lambda(halves, a=fc()), X)) == [0, 1]


def test_writes_seen_through_another_name() -> None:
    def aliased(m: Any, x: Tensor) -> Tensor:
        y = x.clone()
        flat = y.flatten()
        y.add_(m.a(x)).relu_()
        return flat

    assert depths(trace(Lambda(aliased, a=fc()), X)) == [0, 1]


def test_overwritten_values_are_no_path() -> None:
    module = Lambda(lambda m, x: torch.relu(x).copy_(m.a(x)), a=fc())
    assert depths(trace(module, X)) == [1]


def test_inputs_are_the_tensors_that_lead_to_the_output() -> None:
    module = Lambda(lambda m, x, unused, scale, y: m.a(x) * scale + y, a=fc())
    graph = trace(module, (X, X, 2.0, X))
    assert graph.graph["inputs"] == (0, 1)
    assert depths(graph) == [0, 1]
    named = trace(module, {"x": X, "unused": X, "scale": 2.0, "y": X})
    assert depths(named) == [0, 1]


def test_tensors_within_lists_and_dictionaries_are_inputs() -> None:
    module = Lambda(lambda m, pair, named: m.a(pair[0]) + pair[1] + m.a(named["x"]), a=fc())
    graph = trace(module, ([X, X], {"x": X, "scale": 2.0}))
    assert graph.graph["inputs"] == (0, 1, 2)
    assert depths(graph) == [0, 1, 1]


def test_integer_inputs() -> None:
    module = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 2))
    assert depths(trace(module, torch.zeros(2, 3, dtype=torch.long))) == [1]


def test_convention_of_the_graph() -> None:
    block = nn.Sequential(zoo.resnet18().layer1[0], nn.Flatten())
    graph = trace(block.eval(), torch.zeros(1, 64, 4, 4))
    assert list(graph) == list(range(len(graph)))
    assert all(source < target for source, target in graph.edges())
    assert graph.graph == {"inputs": (0,), "output": len(graph) - 1}
    edges = [(s, t, data["operations"], data["label"]) for s, t, data in graph.edges(data=True)]
    assert sorted(edges) == [
        (0, 1, 1, "0.conv1"),
        (0, 2, 0, "skip"),
        (1, 2, 1, "0.conv2"),
        (2, 3, 0, "skip"),
    ]


def test_a_dag_is_traced_to_itself() -> None:
    """The paper's third DAG: edges, not layers, are operations, and nodes are sums."""

    def forward(m: Any, x: Tensor) -> Tensor:
        one = torch.relu(m.a(x))
        two = torch.relu(m.b(x)) + one
        three: Tensor = x + one + torch.relu(m.c(two))
        return three

    graph = trace(Lambda(forward, a=fc(), b=fc(), c=fc()), X)
    assert effective_depth_width(graph) == effective_depth_width(Dag.parse("2_21_112"))


# --- what must not change ----------------------------------------------------------------------


class _Remembers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.calls = 0
        self.last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.last = functional.dropout(self.norm(self.conv(x)))
        return self.last


@pytest.mark.parametrize("training", [True, False])
def test_leaves_the_module_as_it_was(training: bool) -> None:
    module = _Remembers().train(training)
    module.conv.requires_grad_(False)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    identities = [id(tensor) for tensor in (*module.parameters(), *module.buffers())]
    random = torch.get_rng_state()
    example = torch.ones(2, 3, 5, 5)
    assert depths(trace(module, example)) == [1]
    assert torch.equal(random, torch.get_rng_state())
    assert module.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert [id(t) for t in (*module.parameters(), *module.buffers())] == identities
    assert (module.calls, module.last) == (0, None)
    assert all(child.training == training for child in module.modules())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert not module.conv.weight.requires_grad
    assert module.norm.weight.requires_grad
    assert torch.equal(example, torch.ones(2, 3, 5, 5))


def test_leaves_the_module_as_it_was_when_it_fails() -> None:
    module = _Remembers()
    with pytest.raises(ValueError, match="cannot be traced"):
        trace(module, torch.ones(2, 5, 5, 5))
    assert module.calls == 0


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_does_not_depend_on_the_gradient_mode(context: Callable[[], Any]) -> None:
    encoder = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).eval()
    with context():
        assert len(depths(trace(encoder, X))) == 8


def test_plain_tensor_attributes_are_constants() -> None:
    module = Lambda(lambda m, x: m.a(x) * m.scale, a=fc())
    module.scale = torch.ones(4)
    assert depths(trace(module, X)) == [1]


# --- what cannot be traced ---------------------------------------------------------------------


class _Gate(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class _NoSelf(nn.Module):
    def forward(module, x: Tensor) -> Tensor:  # noqa: N805
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sequential(fc(), _Gate()), r"Sequential .* traced; 1 \(_Gate, test_trace.py:\d+\)"),
        (_Gate(), r"its forward \(_Gate, .*\) stopped it: .* Python number or a bool"),
        (Lambda(lambda m, x: m.missing(x)), "AttributeError: .*missing"),
        (nn.Sequential(fc(5, 4)), r"0 \(Linear, linear.py:\d+\) stopped it: RuntimeError"),
        (_NoSelf(), r"its forward \(_NoSelf, test_trace.py:\d+\) stopped it: it turns a tensor"),
        (nn.LSTM(4, 4, batch_first=True), "aten.lstm.* recurrent layer"),
        (Lambda(lambda m, x: m.a(x[0])[0], a=nn.LSTMCell(4, 4)), "aten.lstm_cell.* recurrent cell"),
        (quantized.Linear(4, 4), "quantized.linear_dynamic.* nothing says whether"),
        (nn.LazyLinear(4), "LazyLinear cannot be traced; ValueError: .* uninitialized parameter"),
        (Lambda(lambda m, x: m.p + torch.zeros_like(x), p=weight(4)), "no tensor of the example"),
    ],
)  # fmt: skip
def test_says_what_stopped_it(module: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        trace(module, X)
    assert "\n" not in str(caught.value)


def test_logs_no_traceback_of_what_stopped_it(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="cannot be traced"):
        trace(fc(5, 4), X)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not logging.getLogger("torch._subclasses.fake_tensor").disabled


def test_refuses_what_is_no_module() -> None:
    with pytest.raises(ValueError, match=r"module: expected a .* got function"):
        trace(lambda x: x, X)  # type: ignore[arg-type]


def test_refuses_a_custom_operator_with_parameters() -> None:
    module = Lambda(lambda m, x: m.d(x, x.new_zeros(1, 18, 3, 3)), d=DeformConv2d(2, 2, 3))
    with pytest.raises(ValueError, match=r"deform_conv2d.* stopped it"):
        trace(module, torch.zeros(1, 2, 5, 5))


@pytest.mark.parametrize("example", [None, [X], (), {}, (1.0,)])
def test_refuses_an_example_without_tensors(example: Any) -> None:
    with pytest.raises(ValueError, match="example: expected a tensor, or a tuple or mapping"):
        trace(fc(), example)
