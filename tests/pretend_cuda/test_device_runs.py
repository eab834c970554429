"""All that computes on a device, on a pretended one: the same figures as on the CPU."""

import warnings
from pathlib import Path

import pytest
import torch
from device_runs import RUNS
from pretended_cuda import CUDA
from pretended_runtime import pretend_cuda

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
