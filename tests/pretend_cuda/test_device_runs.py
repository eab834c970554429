"""All that computes on a device, on a pretended one: the same figures as on the CPU."""

import warnings
from pathlib import Path

import pytest
import torch
from device_runs import RUNS
from pretended_cuda import CUDA
from pretended_runtime import pretend_cuda
from torch import nn

from models.networks.placement import place_

SLOW = {"prune", "train_darts", "train_supernet", "monitor_dag_space"}
"""Those of which others, as `prune_strategy` or `train_cell`, do the like in less time."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in RUNS]
)
def test_runs_on_a_pretended_device_as_on_the_cpu(name: str, tmp_path: Path) -> None:
    warnings.simplefilter("ignore")
    with pretend_cuda(nccl="strategy" in name) as cuda:
        found = RUNS[name](CUDA, tmp_path / "cuda")
    expected = RUNS[name](torch.device("cpu"), tmp_path / "cpu")
    assert found.keys() == expected.keys()
    if name != "train_darts":  # drop-path draws from the device's generator
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert not cuda.syncs["cpu index"], "an index on the host makes the device wait"


def test_a_network_is_placed_by_a_copy_per_type_and_keeps_its_tensors() -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))
    network[2].bias = network[0].bias  # counts once
    tensors, images = [*network.parameters(), *network.buffers()], torch.randn(4, 3)
    expected = network(images)
    with pretend_cuda() as cuda:
        placed = place_(network, CUDA)
        assert cuda.syncs["pageable copy"] <= 3  # float and integer, and what the mode adds
        found = placed(images.to(CUDA)).cpu()
    assert placed is network
    kept = [*network.parameters(), *network.buffers()]
    assert all(a is b for a, b in zip(tensors, kept, strict=True))
    assert torch.allclose(found, expected)
