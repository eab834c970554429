"""DAG networks against forwards written by hand, and the statistics of their initialisation."""

from math import sqrt

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.networks import DagConvNet, DagMLP
from models.topology import Dag

SHAPE = (2, 4, 5)


def linear(network: nn.Module, name: str, x: Tensor) -> Tensor:
    weights = dict(network.named_parameters())
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def convolution(network: nn.Module, name: str, x: Tensor) -> Tensor:
    weights = dict(network.named_parameters())
    return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)


def test_mlp_equals_a_forward_by_hand() -> None:
    network = DagMLP("2_21_112", SHAPE, width=7, num_classes=3).double()
    for parameter in network.parameters():  # biases that matter
        nn.init.normal_(parameter)
    images = torch.randn(6, *SHAPE, dtype=torch.float64)
    node0 = linear(network, "stem.1", images.flatten(1)).relu()
    node1 = linear(network, "operations.0_1.0", node0).relu()
    node2 = linear(network, "operations.0_2.0", node0).relu() + node1
    node3 = node0 + node1 + linear(network, "operations.2_3.0", node2).relu()
    assert torch.allclose(network(images), linear(network, "readout", node3))


@pytest.mark.parametrize("head", ["pool", "flatten"])
def test_convnet_equals_a_forward_by_hand(head: str) -> None:
    network = DagConvNet("1_02", SHAPE, width=5, num_classes=3, head=head).double()
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    images = torch.randn(6, *SHAPE, dtype=torch.float64)
    node0 = convolution(network, "stem.0", images).relu()
    node2 = convolution(network, "operations.1_2.0", node0).relu()
    features = node2.mean((2, 3)) if head == "pool" else node2.flatten(1)
    name = "readout.2" if head == "pool" else "readout.1"
    assert torch.allclose(network(images), linear(network, name, features))


def test_batch_norm_stands_before_each_activation() -> None:
    network = DagMLP("2", SHAPE, width=7, num_classes=3, batch_norm=True).double()
    images = torch.randn(6, *SHAPE, dtype=torch.float64)
    node0 = F.batch_norm(linear(network, "stem.1", images.flatten(1)), None, None, training=True)
    node1 = linear(network, "operations.0_1.0", node0.relu())
    node1 = F.batch_norm(node1, None, None, training=True).relu()
    assert torch.allclose(network(images), linear(network, "readout", node1))
    count = sum(
        isinstance(m, nn.BatchNorm2d) for m in DagConvNet("2_02", SHAPE, 3, 3, True).modules()
    )
    assert count == 3


def test_nodes_that_no_path_crosses_are_left_out() -> None:
    network = DagMLP("2_02_022_2000", SHAPE, width=7, num_classes=3)
    assert list(network.operations) == ["0_4"]
    assert network(torch.zeros(2, *SHAPE)).shape == (2, 3)


def test_every_parameter_gets_a_gradient() -> None:
    for network in (
        DagMLP("2_21_112", SHAPE, 7, 3, batch_norm=True),
        DagConvNet("2_02_202", SHAPE, 7, 3, batch_norm=True),
    ):
        network(torch.randn(6, *SHAPE)).square().sum().backward()
        assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize(
    ("network", "fan_in"),
    [
        (DagMLP("2", (3, 8, 8), 256, 10), {"stem": 192, "operations": 256, "readout": 256}),
        (DagConvNet("2", (16, 8, 8), 64, 10), {"stem": 144, "operations": 576, "readout": 64}),
    ],
)
def test_weights_are_he_and_biases_zero(network: nn.Module, fan_in: dict[str, int]) -> None:
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
            continue
        expected = sqrt(2 / fan_in[name.split(".")[0]])
        n = parameter.numel()
        assert parameter.std().item() == pytest.approx(expected, rel=4 / sqrt(2 * n))
        assert abs(parameter.mean().item()) < 4 * expected / sqrt(n)


def test_dag_or_its_string() -> None:
    dag = Dag.parse("2_21_112")
    assert DagMLP(dag, SHAPE, 7, 3).dag is dag
    assert DagMLP("2_21_112", SHAPE, 7, 3).dag == dag


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "width: expected 1 or more, got 0"),
        ({"num_classes": -1}, "num_classes: expected 1 or more, got -1"),
        ({"in_shape": (1, 8)}, r"in_shape: expected \(channels, height, width\) .* got \(1, 8\)"),
        ({"in_shape": (1, 0, 8)}, "in_shape: expected"),
        ({"dag": "2_2"}, "dag: group 2"),
    ],
)
@pytest.mark.parametrize("kind", [DagMLP, DagConvNet])
def test_bad_arguments_are_named(kind: type, change: dict[str, object], message: str) -> None:
    arguments = {"dag": "2", "in_shape": SHAPE, "width": 4, "num_classes": 3} | change
    with pytest.raises(ValueError, match=message):
        kind(**arguments)


def test_bad_head_is_named() -> None:
    with pytest.raises(ValueError, match="head: expected 'pool' or 'flatten', got 'max'"):
        DagConvNet("2", SHAPE, 4, 3, head="max")
