"""The empirical NTK against a loop of backward passes."""

import copy
import math

import pytest
import torch
from ntk_networks import NETWORKS, build
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.indicators import empirical_ntk, ntk, ntk_spectrum


class FrozenByHand(nn.Module):
    """Batch normalisation, written out, with constant batch statistics."""

    def __init__(self, layer: _BatchNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = layer.weight, layer.bias, layer.eps
        self.running = None if layer.training else (layer.running_mean, layer.running_var)

    def forward(self, x: Tensor) -> Tensor:
        dims = [d for d in range(x.ndim) if d != 1]
        shape = (-1, *[1] * (x.ndim - 2))
        mean, variance = self.running or (
            x.detach().mean(dims),
            x.detach().var(dims, unbiased=False),
        )
        y = (x - mean.view(shape)) / (variance.view(shape) + self.eps).sqrt()
        return y * self.weight.view(shape) + self.bias.view(shape)


def freeze_by_hand(network: nn.Module) -> None:
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm):
                setattr(parent, name, FrozenByHand(child))


def reference(
    network: nn.Module, inputs: Tensor, batch_norm: str, parameters: str, output: str
) -> Tensor:
    """K from one backward pass per sample (and logit), on a copy in float64."""
    network = copy.deepcopy(network).double()
    theta = [
        p
        for name, p in network.named_parameters()
        if p.requires_grad and (parameters == "all" or "weight" in name)
    ]
    if batch_norm == "frozen":
        freeze_by_hand(network)
    outputs = network(inputs.double())
    targets = outputs.sum(1, keepdim=True) if output == "sum" else outputs
    K = torch.zeros(len(inputs), len(inputs), dtype=torch.float64)
    for F in targets.unbind(1):
        rows = []
        for value in F:
            network.zero_grad()
            value.backward(retain_graph=True)
            rows.append(
                torch.cat(
                    [(torch.zeros_like(p) if p.grad is None else p.grad).ravel() for p in theta]
                )
            )
        J = torch.stack(rows)
        K += J @ J.T
    return K


@pytest.fixture(autouse=True)
def fast_layers_on_small_batches_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.indicators._autograd.fast_layers._PIXELS", 0)


@pytest.mark.parametrize("output", ["sum", "trace"])
@pytest.mark.parametrize("parameters", ["all", "weights"])
@pytest.mark.parametrize("batch_norm", ["coupled", "frozen"])
@pytest.mark.parametrize("name", NETWORKS)
def test_equals_a_loop_of_backward_passes(
    name: str, batch_norm: str, parameters: str, output: str
) -> None:
    network, x = build(name)
    expected = reference(network, x, batch_norm, parameters, output)
    K = empirical_ntk(network, x, batch_norm, parameters, output)
    assert K.dtype == torch.float64
    torch.testing.assert_close(K, expected, rtol=1e-9, atol=1e-9 * expected.abs().max().item())


@pytest.mark.parametrize("name", NETWORKS)
def test_one_backward_pass_where_it_can_be(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(ntk, "add_rows", lambda gram, F, theta, chunk: left.append(len(theta)))
    network, x = build(name)
    empirical_ntk(network, x, "frozen")
    assert (left == [0]) is NETWORKS[name][2]


@pytest.mark.parametrize("batch_norm", ["coupled", "frozen"])
def test_float32_is_accurate(batch_norm: str) -> None:
    network, x = build("branches", torch.float32)
    expected = reference(network, x, batch_norm, "all", "sum")
    K = empirical_ntk(network, x, batch_norm)
    torch.testing.assert_close(K, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


@pytest.mark.parametrize("chunk_size", [1, 4, 100])
def test_chunks_do_not_matter(chunk_size: int) -> None:
    network, x = build("branches")
    torch.testing.assert_close(
        empirical_ntk(network, x, chunk_size=chunk_size), empirical_ntk(network, x)
    )


@pytest.mark.parametrize("name", ["branches", "tied"])
def test_threads_do_not_matter(name: str) -> None:
    network, x = build(name)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        expected = empirical_ntk(network, x)
        torch.set_num_threads(3)
        torch.testing.assert_close(empirical_ntk(network, x), expected)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


def test_small_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {name: empirical_ntk(*build(name), "frozen") for name in ("convolutions", "small maps")}
    torch.manual_seed(0)
    monkeypatch.setattr("models.indicators._autograd.layer_gradients._ENTRIES", 50)
    monkeypatch.setattr("models.indicators._autograd.gram._ENTRIES", 50)
    for name, expected in whole.items():
        torch.testing.assert_close(empirical_ntk(*build(name), "frozen"), expected)


def test_modes_agree_where_no_layer_normalises_by_the_batch() -> None:
    network, x = build("convolutions")
    coupled, frozen = (empirical_ntk(network, x, mode) for mode in ("coupled", "frozen"))
    assert not torch.allclose(coupled, frozen)
    network.eval()
    coupled, frozen = (empirical_ntk(network, x, mode) for mode in ("coupled", "frozen"))
    torch.testing.assert_close(coupled, frozen)
    torch.testing.assert_close(coupled, reference(network, x, "coupled", "all", "sum"))


def state_of(network: nn.Module) -> dict[str, object]:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    return {
        "values": {k: v.clone() for k, v in network.state_dict(keep_vars=False).items()},
        "storage": {k: v.data_ptr() for k, v in network.state_dict().items()},
        "trained": {k: p.requires_grad for k, p in network.named_parameters()},
        "modes": {k: m.training for k, m in network.named_modules()},
        "hooks": {k: [len(getattr(m, h)) for h in hooks] for k, m in network.named_modules()},
        "own forwards": {k: "forward" in vars(m) for k, m in network.named_modules()},
    }


@pytest.mark.parametrize("batch_norm", ["coupled", "frozen"])
@pytest.mark.parametrize("fails", [False, True])
def test_leaves_all_as_it_was(batch_norm: str, fails: bool) -> None:
    network, x = build("mixed modes", torch.float32)
    network(x).sum().backward()
    if fails:
        network.append(nn.Dropout(0.5))
    before, inputs, random = state_of(network), x.clone(), torch.get_rng_state()
    precisions = torch.backends.mkldnn.matmul.fp32_precision, torch.backends.cudnn.deterministic
    if fails:
        with pytest.raises(ValueError, match="not deterministic"):
            empirical_ntk(network, x, batch_norm)
    else:
        empirical_ntk(network, x, batch_norm)
    assert torch.equal(random, torch.get_rng_state())
    assert torch.equal(inputs, x)
    after = state_of(network)
    torch.testing.assert_close(after.pop("values"), before.pop("values"), rtol=0, atol=0)
    assert after == before
    assert precisions == (
        torch.backends.mkldnn.matmul.fp32_precision,
        torch.backends.cudnn.deterministic,
    )


@pytest.mark.parametrize("batch_norm", ["coupled", "frozen"])
def test_gradients_stay_the_same_objects(batch_norm: str) -> None:
    network, x = build("branches")
    network(x).sum().backward()
    before = [(p.grad, None if p.grad is None else p.grad.clone()) for p in network.parameters()]
    empirical_ntk(network, x, batch_norm)
    for p, (gradient, value) in zip(network.parameters(), before, strict=True):
        assert p.grad is gradient
        assert value is None or torch.equal(value, p.grad)


@pytest.mark.parametrize("batch_norm", ["coupled", "frozen"])
def test_surroundings_do_not_matter(batch_norm: str) -> None:
    network, x = build("convolutions", torch.float32)
    expected = empirical_ntk(network, x, batch_norm)
    with torch.inference_mode():
        assert torch.equal(empirical_ntk(network, x * 1, batch_norm), expected)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(empirical_ntk(network, x, batch_norm), expected)


def test_equal_samples_give_a_singular_kernel() -> None:
    network, x = build("mixed modes", torch.float32)
    x[3] = x[1]
    spectrum = ntk_spectrum(empirical_ntk(network, x, "frozen"))
    assert (spectrum.condition_number, spectrum.rank) == (math.inf, len(x) - 1)


@pytest.mark.gpu
@pytest.mark.parametrize("batch_norm", ["coupled", "frozen"])
def test_gpu_equals_cpu(batch_norm: str) -> None:
    network, x = build("branches", torch.float32)
    expected = empirical_ntk(network, x, batch_norm)
    K = empirical_ntk(network.cuda(), x.cuda(), batch_norm)
    torch.testing.assert_close(K, expected, rtol=0, atol=1e-4 * expected.abs().max().item())


def test_synchronised_batch_norm_is_that_of_the_batch_at_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten())
    network = network.append(nn.Linear(12, 2)).double()
    x = torch.randn(5, 2, 4, 4, dtype=torch.float64)
    kernels = [empirical_ntk(network, x, batch_norm) for batch_norm in ("coupled", "frozen")]
    network = nn.SyncBatchNorm.convert_sync_batchnorm(network)

    def synchronise(_: nn.Module, x: Tensor) -> Tensor:
        raise AssertionError("a collective")

    monkeypatch.setattr(nn.SyncBatchNorm, "forward", synchronise)
    torch.testing.assert_close(empirical_ntk(network, x, "coupled"), kernels[0])
    torch.testing.assert_close(empirical_ntk(network, x, "frozen"), kernels[1])
    left: list[int] = []
    monkeypatch.setattr(ntk, "add_rows", lambda gram, F, theta, chunk: left.append(len(theta)))
    empirical_ntk(network, x, "frozen")
    assert left == [0]
