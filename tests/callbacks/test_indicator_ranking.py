"""The ranking of a sampling search's indicators: files, figures, spaces and refusals."""

import csv
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from callbacks import IndicatorRanking
from datamodules import DigitsDataModule
from models import DagMLPClassifier, SamplingSearch
from models.benchmarks.nasbench201 import ARCHITECTURE, COLUMNS
from models.indicators import EffectiveDepth, NTKConditionNumber, Parameters, RankAggregate, SynFlow
from models.spaces import DartsSpace, NasBench201Space, SearchSpace
from models.topology import effective_depth_width


class Widths(SearchSpace[int]):
    """Networks of one hidden layer, without a graph: `width 1` to `width 9`."""

    name = "widths"
    count = 9  # type: ignore[assignment]

    def parse(self, text: str) -> int:
        return int(text.removeprefix("width "))

    def format(self, architecture: int) -> str:
        return f"width {architecture}"

    def to_json(self, architecture: int) -> int:
        return architecture

    def from_json(self, value: Any) -> int:
        return int(value)

    def random_architecture(self, generator: torch.Generator) -> int:
        return 1 + int(torch.randint(9, (), generator=generator))

    def network(
        self, architecture: int, num_classes: int = 10, in_channels: int = 3, *args: Any, **_: Any
    ) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(in_channels, architecture, 3),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(architecture, num_classes),
        )


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of the whole of NAS-Bench-201, the accuracy a function of depth."""
    path = tmp_path_factory.mktemp("table") / "table.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([ARCHITECTURE, *COLUMNS.values()])
        for cell in NasBench201Space().architectures():
            depth = effective_depth_width(cell.graph).depth
            writer.writerow([str(cell), *[10 + 20 * depth] * 3])
    return path


def search(*indicators: Any, space: Any = None, samples: int = 12) -> SamplingSearch:
    parts = RankAggregate(indicators or [SynFlow(), NTKConditionNumber(), EffectiveDepth()])
    own = space or NasBench201Space()
    return SamplingSearch(DigitsDataModule(), own, samples, indicator=parts, batch_size=8)


def run(module: pl.LightningModule, folder: Path, callback: IndicatorRanking) -> None:
    logger = pl.loggers.TensorBoardLogger(str(folder), name="", version="")
    pl.Trainer(
        max_epochs=-1,
        accelerator="cpu",
        logger=logger,
        callbacks=[callback],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(module)


def rows_of(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (folder / "indicator_ranking.csv").open(newline="") as file:
        return {(row["indicator"], row["dataset"]): row for row in csv.DictReader(file)}


def test_report(tmp_path: Path, table: Path) -> None:
    names = ["synflow", "ntk_condition_number"]
    run(search(), tmp_path, IndicatorRanking(str(table), top=0.25, aggregates={"both": names}))
    found = rows_of(tmp_path)
    assert {name for name, _ in found} == {*names, "both", "effective_depth", "effective_width"}
    assert len(found) == 5 * len(COLUMNS)
    depth = found["effective_depth", "cifar10"]
    assert float(depth["kendall"]) == pytest.approx(1)
    assert float(depth["top_recall"]) == 1
    # Cells without a path fail under SynFlow, and count.
    synflow = found["synflow", "cifar10"]
    assert int(synflow["cells"]) + int(synflow["failed"]) == 12
    assert float(synflow["milliseconds"]) > 0
    tags = EventAccumulator(str(tmp_path)).Reload().Tags()
    assert {f"ranking/{d}/both_kendall" for d in COLUMNS} <= set(tags["scalars"])
    assert set(tags["images"]) == {
        "ranking/score_against_accuracy",
        "ranking/accuracy_over_depth_width",
    }


def test_a_space_without_graphs_has_its_own_table_and_no_depth(tmp_path: Path) -> None:
    path = tmp_path / "widths.csv"
    path.write_text("\n".join(["net,top1", *(f"width {i},{10 * i}" for i in range(1, 10))]))
    callback = IndicatorRanking(str(path), columns={"digits": "top1"}, architecture="net")
    run(search(Parameters(), space=Widths(), samples=5), tmp_path, callback)
    found = rows_of(tmp_path)
    assert set(found) == {("parameters", "digits")}
    assert float(found["parameters", "digits"]["kendall"]) == pytest.approx(1)
    images = EventAccumulator(str(tmp_path)).Reload().Tags()["images"]
    assert images == ["ranking/score_against_accuracy"]


def test_refuses_what_it_cannot_rank(tmp_path: Path, table: Path) -> None:
    classifier = DagMLPClassifier("2_02", (1, 8, 8), 10, width=4)
    darts = search(Parameters(), space=DartsSpace(), samples=2)
    for module, aggregates, message in (
        (classifier, {}, "DagMLPClassifier scores no cells"),
        (darts, {}, r"has no architecture Genotype.* of the space darts"),
        (search(), {"synflow": ["synflow"]}, r"aggregates\.synflow: the name of an ind"),
        (search(), {"mine": ["snip"]}, r"aggregates\.mine: expected some of"),
    ):
        with pytest.raises(MisconfigurationException, match=message):
            run(module, tmp_path, IndicatorRanking(str(table), aggregates=aggregates))
    with pytest.raises(FileNotFoundError, match="path: no look-up table"):
        IndicatorRanking(str(tmp_path / "nothing.csv"))
    with pytest.raises(ValueError, match="top: expected a share"):
        IndicatorRanking(str(table), top=0)


def test_one_indicator_s_failure_leaves_the_others(tmp_path: Path, table: Path) -> None:
    module = search(Parameters(), SynFlow(), samples=60)
    run(module, tmp_path, IndicatorRanking(str(table)))
    assert len(module.scores_of("parameters")) == 60
    failed = set(module.scores_of("parameters")) - set(module.scores_of("synflow"))
    assert failed  # without a path from images to logits
    assert int(rows_of(tmp_path)["synflow", "cifar10"]["failed"]) == len(failed)
    entries = [entry for block in module.history for entry in block["candidates"]]
    assert all(("error" in entry) == (entry["candidate"] in failed) for entry in entries)
