"""All that computes on a device, on a real one: the figures of the CPU, to rounding."""

import math
import warnings
from pathlib import Path

import pytest
import torch
from device_runs import RUNS

from models.indicators._autograd.untouched import full_precision

pytestmark = pytest.mark.gpu

SINGULAR = 1e6
"""A condition number from which on rounding decides."""


@pytest.mark.parametrize("name", RUNS)
def test_runs_on_the_device_as_on_the_cpu(name: str, tmp_path: Path) -> None:
    warnings.simplefilter("ignore")
    with full_precision():  # the CPU has no shorter products
        found = RUNS[name](torch.device("cuda", 0), tmp_path / "cuda")
        expected = RUNS[name](torch.device("cpu"), tmp_path / "cpu")
    assert found.keys() == expected.keys()
    if name == "train_darts":  # drop-path draws from the device's generator
        return
    for key, value in expected.items():
        if math.isfinite(value) and abs(value) < SINGULAR:
            assert found[key] == pytest.approx(value, rel=5e-3, abs=1e-4), key
