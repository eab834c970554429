"""Every example under docs/ runs, and does what its text says."""

import ast
import importlib
import math
import re
import runpy
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import torchvision
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from datamodules import DigitsDataModule
from lightning_app.cli import main
from models.analysis.csv_file import write_csv
from models.analysis.dag_space_figures import PAPER_DAGS
from models.analysis.dag_space_table import PREDICTORS, DagSpaceTable, member_rows
from models.topology import effective_depth_width, trace

EXAMPLES = Path(__file__).resolve().parents[1] / "docs" / "examples"


ON_THE_COMMAND_LINE = (
    "logit_spread",
    "blobs",
    "chain_space",
    "small_space",
    "gated_space",
    "evolution",
)


def test_every_example_has_a_test() -> None:
    tested = {"resnet18_monitors", *ON_THE_COMMAND_LINE}
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested


def command_of(example: str) -> list[list[str]]:
    """The arguments of each `lightning` command in an example's docstring."""
    text = ast.get_docstring(ast.parse((EXAMPLES / f"{example}.py").read_text()))
    assert text is not None
    lines = text.replace("\\\n", " ").splitlines()
    found = [shlex.split(line.split("lightning ", 1)[1]) for line in lines if "lightning " in line]
    assert found
    return found


@pytest.mark.usefixtures("command_line")
@pytest.mark.parametrize("example", ON_THE_COMMAND_LINE)
def test_examples_run_from_the_command_line(
    example: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    for arguments in command_of(example):
        config = arguments.index("--config") + 1
        arguments[config] = str(EXAMPLES.parents[1] / arguments[config])
        small = (
            {"search/quickstart.yaml": "--model.batch_size=8"} if "--model" not in arguments else {}
        )
        change = [small[name] for name in small if arguments[config].endswith(name)]
        main([*arguments, *change, "--trainer.fast_dev_run", "true"])


@pytest.fixture
def example(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> ModuleType:
    """An example, imported as `PYTHONPATH=docs/examples` lets it be; it writes elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module(request.param)


@pytest.mark.parametrize("example", ["logit_spread"], indirect=True)
def test_logit_spread(example: ModuleType) -> None:
    assert example.main() > 0
    logits = torch.tensor([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    network = torch.nn.BatchNorm1d(2, affine=False)
    before = network.running_mean.clone()
    score = example.LogitSpread().score(network, logits, torch.zeros(3).long())
    # Normalised by n, not n − 1: √(3/2); the other logit is constant.
    assert score == pytest.approx(math.sqrt(3 / 2) / 2, rel=1e-4)
    assert torch.equal(network.running_mean, before)
    assert example.LogitSpread(softmax=True).score(network, logits, torch.zeros(3).long()) < score
    with pytest.raises(ValueError, match="images: expected 2 or more, got 1"):
        example.LogitSpread().score(network, logits[:1], torch.zeros(1).long())


@pytest.mark.parametrize("example", ["blobs"], indirect=True)
def test_blobs(example: ModuleType) -> None:
    assert example.main(epochs=2) > 0.9
    data = example.BlobsDataModule()
    images, labels = data.probe(400)
    assert images.shape == (400, 1, 8, 8)
    assert abs(images.mean()) < 0.2
    assert images.std() == pytest.approx(1, abs=0.2)
    assert set(labels.tolist()) == {0, 1, 2, 3}
    with pytest.raises(ValueError, match="noise: expected 0 or more, got -1"):
        example.BlobsDataModule(noise=-1)


def test_the_space_of_the_page_is_short() -> None:
    """A space without a supernet needs less than 80 lines."""
    assert len((EXAMPLES / "chain_space.py").read_text().splitlines()) < 80


@pytest.mark.parametrize("example", ["evolution"], indirect=True)
def test_evolution_goes_on_where_it_stopped(example: ModuleType, quiet: dict[str, Any]) -> None:
    def search(generations: int) -> Any:
        return example.Evolution(DigitsDataModule(), "nasbench201", generations, population=4)

    quiet |= {"enable_checkpointing": True, "max_epochs": -1}
    whole, begun, resumed = search(3), search(3), search(3)
    pl.Trainer(**quiet).fit(whole)
    trainer = pl.Trainer(**quiet | {"max_epochs": 1})
    trainer.fit(begun)
    trainer.save_checkpoint("one.ckpt")
    pl.Trainer(**quiet).fit(resumed, ckpt_path="one.ckpt", weights_only=True)
    assert resumed.round == 3
    assert resumed.history == whole.history
    assert Path("architecture.json").is_file()


@pytest.mark.parametrize("example", ["small_space"], indirect=True)
def test_small_space_is_searched(example: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert re.fullmatch(r"\d+ parameters", example.main(batch_size=8))
    # Two of three operations go from every edge: rounds of 1 evaluation per candidate that depth
    # and width do not reserve.
    assert "in 2 rounds" in capsys.readouterr().out
    assert Path("architecture.json").is_file()


@pytest.mark.parametrize("example", ["gated_space"], indirect=True)
def test_gated_space(example: ModuleType) -> None:
    gate = example.Gate(3)
    x = torch.rand(2, 3, 4, 4)
    shares = gate(x) / x
    assert torch.allclose(shares, shares[:, :, :1, :1].expand_as(shares), rtol=1e-4)
    assert (shares > 0).all()
    assert (shares < 1).all()
    # Two paths, of one operation each: gate and skip, convolution.
    assert example.main() == 1.0


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
