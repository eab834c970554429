"""Fixtures shared by all tests."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import pytorch_lightning as pl
import torch


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; the test skips where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    """Every test starts from the same random state, so that it passes alone as it does in a run."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """What Lightning leaves in the environment, such as a port in use, ends with the test."""
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture(autouse=True)
def _log_level() -> Iterator[None]:
    """A test that quietens Lightning does so for itself alone."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture
def quiet() -> dict[str, Any]:
    """Arguments of a Trainer that runs an epoch on the CPU, says nothing, leaves nothing."""
    return {
        "accelerator": "cpu",
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "max_epochs": 1,
    }


@pytest.fixture
def trainer(quiet: dict[str, Any]) -> Callable[..., pl.Trainer]:
    """A Trainer's further arguments to a quiet one."""
    return lambda **arguments: pl.Trainer(**quiet | arguments)


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that `fast_dev_run` hands to no one are made, but not painted, which takes long."""
    monkeypatch.setattr("callbacks.outputs._picture", lambda figure: None)


@pytest.fixture
def command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder, and none of pytest's own arguments."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lightning"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `gpu` skip on a machine without one."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
