"""Every example under docs/ runs, and does what its text says."""

import math
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from callbacks.csv_file import write_csv
from callbacks.dag_space_figures import PAPER_DAGS
from callbacks.dag_space_table import PREDICTORS, DagSpaceTable, member_rows
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


def test_tables_of_the_results_are_made_from_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    dags = [dag for dag in (*PAPER_DAGS, "2", "1") for _ in range(2)]
    for name in ("slow", "fast"):
        table = DagSpaceTable(
            dags,
            [0, 1] * 5,
            {predictor: random.random(10) for predictor in PREDICTORS}
            | {"paths": np.repeat([1.0, 1, 1, 2, 2], 2)},
            random.integers(1, 4, 10).astype(float),
            {"train_accuracy": {epoch: random.random(10) for epoch in range(1, 5)}},
        )
        path = tmp_path / name / "version_0" / "dag_space" / "members.csv"
        write_csv(path, member_rows(table))
    script = runpy.run_path(str(EXAMPLES.parent / "results" / "dag_space.py"))
    script["main"]([str(tmp_path / name / "version_0") for name in ("slow", "fast")])
    printed = capsys.readouterr().out
    assert "| predictor | epochs to target | accuracy, epoch 1 |" in printed
    assert "| predictor | 1 path(s), 3 DAGs |" in printed
    assert "| predictor | slow | fast | best of all |" in printed
    assert printed.count("\n| effective depth |") == 3
    (medians,) = (line for line in printed.splitlines() if line.startswith("| *median"))
    slow, fast, best = (float(cell) for cell in medians.strip(" |").split(" | ")[1:])
    assert best >= max(slow, fast)
