"""Every example under docs/ runs, and does what its text says."""

import math
import runpy
from pathlib import Path

import pytest
import torch
import torchvision
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from models.topology import effective_depth_width, trace

EXAMPLES = Path(__file__).resolve().parents[1] / "docs" / "examples"


def test_every_example_has_a_test() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {"resnet18_monitors"}


def test_resnet18_monitors(tmp_path: Path) -> None:
    example = runpy.run_path(str(EXAMPLES / "resnet18_monitors.py"))
    example["main"](epochs=1, images=4, probe_size=3, folder=str(tmp_path))
    (run,) = (tmp_path / "resnet18").iterdir()
    events = EventAccumulator(str(run))
    events.Reload()
    # Before training and after the epoch; the same wiring throughout.
    kappas = [event.value for event in events.Scalars("ntk/log10_condition_number")]
    assert len(kappas) == 2
    assert all(math.isfinite(kappa) and kappa > 0 for kappa in kappas)
    # Stem and head are 2 operations. Of 8 blocks 5 have an identity shortcut (2 operations or
    # none), 3 a convolution (2 or 1); half of the paths take either way.
    assert [event.value for event in events.Scalars("effective_depth")] == pytest.approx(
        [2 + 5 * 1 + 3 * 1.5]
    )
    assert [event.value for event in events.Scalars("effective_width")] == pytest.approx(
        [2**8 / 11.5]
    )
    assert events.Images("topology")


def test_the_one_liner_of_the_page_says_what_it_prints() -> None:
    page = (EXAMPLES.parent / "foreign_modules.md").read_text()
    network = torchvision.models.resnet18()
    assert f"{effective_depth_width(trace(network, torch.zeros(2, 3, 224, 224)))}\n" in page
