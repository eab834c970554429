"""Supernets against the plain sum: every operation times its softmax share."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from models.indicators import activation_overlap, linear_regions
from models.networks.darts_supernet import DartsSupernet
from models.networks.initialisation import initialise_
from models.networks.nasbench201_supernet import NasBench201Supernet
from models.networks.operations import build_operation
from models.networks.supernet import Supernet, SupernetCell

Make = Callable[[], Supernet]
MAKERS: dict[str, Make] = {
    "nasbench201": NasBench201Supernet,
    "darts": lambda: DartsSupernet(channels=2, cells=2),
}


def random_mask(network: Supernet, generator: torch.Generator, keep: float) -> Tensor:
    """A mask that feeds every node; some edges keep nothing."""
    full = network.mask
    mask = full & (torch.rand(full.shape, generator=generator) < keep)
    for rows in mask:
        for edge, (_, target) in enumerate(network.edges):
            siblings = [i for i, (_, t) in enumerate(network.edges) if t == target]
            if not rows[siblings].any() and edge == siblings[-1]:
                rows[edge, 1] = True
    return mask


def plain_nodes(cell: SupernetCell, mask: Tensor, *inputs: Tensor) -> list[Tensor]:
    """Every operation is run; the weights are a softmax over logits of 0 and −1000."""
    alpha = torch.where(mask, 0.0, -1000.0)
    shares = torch.softmax(alpha, dim=1)
    nodes = dict(enumerate(inputs))
    for edge, (source, target) in enumerate(cell.edges):
        nodes.setdefault(target, torch.zeros(()))
        if not mask[edge].any():
            continue
        for column, name in enumerate(cell.operations):
            stride = cell.stride if source < len(inputs) else 1
            operation = build_operation(name, inputs[0].shape[1], stride)
            if f"{edge}_{name}" in cell.own:
                operation.load_state_dict(cell.own[f"{edge}_{name}"].state_dict())
            nodes[target] = nodes[target] + shares[edge, column] * operation(nodes[source])
    return [nodes[node] for node in sorted(nodes) if node >= len(inputs)]


class PlainCell(nn.Module):
    """The nodes of a supernet cell, each of whose operations has a ReLU of its own."""

    def __init__(self, cell: SupernetCell, mask: Tensor) -> None:
        super().__init__()
        self.terms: list[tuple[int, int, float]] = []
        self.operations = nn.ModuleList()
        for edge, (source, target) in enumerate(cell.edges):
            kept = [n for n, keep in zip(cell.operations, mask[edge], strict=True) if keep]
            for name in kept:
                if (key := f"{edge}_{name}") in cell.own:
                    self.operations.append(nn.Sequential(nn.ReLU(), *cell.own[key]))
                else:
                    self.operations.append(cell.shared[f"{source}_{name}"])
                self.terms.append((source, target, 1 / len(kept)))

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        nodes = dict(enumerate(inputs))
        for (source, target, share), operation in zip(self.terms, self.operations, strict=True):
            nodes[target] = nodes.get(target, 0) + share * operation(nodes[source])
        return [nodes[node] for node in sorted(nodes) if node >= len(inputs)]


@pytest.mark.parametrize("space", MAKERS)
@pytest.mark.parametrize("seed", range(4))
def test_same_logits_as_the_plain_sum(
    space: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(seed)
    network = MAKERS[space]()
    initialise_(network, "fan_in", generator)
    mask = network.mask if seed == 0 else random_mask(network, generator, 0.2 * seed)
    network.mask = mask
    x = torch.randn(4, 3, 8, 8, generator=generator)
    logits = network(x)

    for module in list(network.modules()):
        if isinstance(module, SupernetCell):
            monkeypatch.setattr(
                module,
                "nodes",
                lambda *s, cell=module, rows=mask[module.cell_type]: plain_nodes(cell, rows, *s),
            )
    assert torch.allclose(logits, network(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("space", MAKERS)
def test_what_is_not_kept_does_not_run(space: str) -> None:
    network = MAKERS[space]()
    mask = torch.zeros_like(network.mask)
    mask[:, :, network.operations.index("skip_connect")] = True
    network.mask = mask
    ran: set[nn.Module] = set()
    for cell in network.modules():
        if isinstance(cell, SupernetCell):
            for module in [*cell.shared.values(), *cell.own.values()]:
                module.register_forward_hook(lambda module, _, __: ran.add(module))
    network(torch.randn(2, 3, 8, 8))
    allowed = {
        module
        for cell in network.modules()
        if isinstance(cell, SupernetCell)
        for key, module in [*cell.shared.items(), *cell.own.items()]
        if key.endswith(("skip_connect", "relu"))
    }
    assert ran <= allowed
    assert not any(isinstance(module, nn.AvgPool2d | nn.MaxPool2d) for module in ran)


def test_work_of_a_source_is_done_once() -> None:
    network = NasBench201Supernet()
    count: list[str] = []
    for module in network.modules():
        if isinstance(module, nn.ReLU | nn.AvgPool2d) and module is not network.head[1]:
            module.register_forward_hook(lambda m, _, __: count.append(type(m).__name__))
    network(torch.randn(2, 3, 8, 8))
    # Three cells with three sources each; two residual blocks of two ReLUs and one pooling.
    assert count.count("SharedReLU") == 9
    assert count.count("ReLU") == 4
    assert count.count("AvgPool2d") == 9 + 2


@pytest.mark.parametrize("space", MAKERS)
@pytest.mark.parametrize("seed", range(3))
def test_activations_of_the_network_it_stands_for(
    space: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where every operation has a ReLU of its own, shares and logits are the same."""
    generator = torch.Generator().manual_seed(seed)
    network = MAKERS[space]()
    initialise_(network, "fan_in", generator)
    mask = network.mask = network.mask if seed == 0 else random_mask(network, generator, 0.5)
    x = torch.randn(6, 3, 8, 8, generator=generator)
    score, regions = activation_overlap(network, x), linear_regions(network, x)
    for cell in list(network.modules()):
        if isinstance(cell, SupernetCell):
            cell.plain = PlainCell(cell, mask[cell.cell_type])
            monkeypatch.setattr(cell, "nodes", cell.plain.forward)
    assert activation_overlap(network, x) == pytest.approx(score, rel=1e-5)
    assert linear_regions(network, x) == regions


def test_mask_is_a_copy_and_not_in_the_state() -> None:
    network = NasBench201Supernet()
    network.mask[:] = False
    assert network.mask.any()
    given = network.mask
    network.mask = given
    given[:] = False
    assert network.mask.any()
    assert not any("mask" in key for key in network.state_dict())


@pytest.mark.parametrize("kept", [None, torch.tensor([[[False, True, False, False, False]] * 6])])
def test_mask_argument(kept: Tensor | None) -> None:
    network = NasBench201Supernet(mask=kept)
    expected = torch.tensor([[[False, True, True, True, True]] * 6]) if kept is None else kept
    assert torch.equal(network.mask, expected)


def test_bad_masks() -> None:
    network = DartsSupernet()
    good = network.mask
    with pytest.raises(ValueError, match=r"mask: expected torch.bool of shape \(2, 14, 8\).*int64"):
        network.mask = good.long()
    with pytest.raises(ValueError, match=r"got torch.bool of shape \(14, 8\)"):
        network.mask = good[0]
    with pytest.raises(ValueError, match="expected a boolean tensor, got str"):
        network.mask = "all"
    bad = good.clone()
    bad[1, 3, 0] = True
    with pytest.raises(ValueError, match=r"keeps 'none', which is no operation, in row \[1, 3\]"):
        network.mask = bad
    bad = good.clone()
    bad[0, 2:5] = False
    with pytest.raises(ValueError, match="mask: normal cell leaves node 3 without input"):
        network.mask = bad
    assert torch.equal(network.mask, good), "a refused mask changes nothing"
    good[0, 2:4] = False
    network.mask = good
    assert network(torch.randn(2, 3, 8, 8)).shape == (2, 10)


def test_no_stem_needs_matching_channels() -> None:
    with pytest.raises(ValueError, match=r"use_stem: without a stem in_channels must be 1.*got 3"):
        NasBench201Supernet(channels=1, use_stem=False)
    with pytest.raises(ValueError, match=r"use_stem: without a stem in_channels must be 1.*got 3"):
        DartsSupernet(channels=1, use_stem=False)
