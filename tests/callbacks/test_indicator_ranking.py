"""How orders of cells agree with their accuracy."""

import csv
from pathlib import Path

import pytest
import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException

from callbacks import IndicatorRanking
from datamodules import DigitsDataModule
from models import DagMLPClassifier, SamplingSearch
from models.benchmarks.nasbench201 import ARCHITECTURE, COLUMNS
from models.indicators import (
    EffectiveDepth,
    EffectiveWidth,
    NTKConditionNumber,
    Parameters,
    RankAggregate,
    SynFlow,
)
from models.spaces import DartsSpace, NasBench201Space
from models.topology import effective_depth_width


def write_space(path: Path) -> Path:
    """A table of the whole space, the accuracy a function of depth."""
    space = NasBench201Space()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([ARCHITECTURE, *COLUMNS.values()])
        for cell in space.architectures():
            depth = effective_depth_width(cell.graph).depth
            writer.writerow([str(cell), *[10 + 20 * depth] * 3])
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_space(tmp_path_factory.mktemp("table") / "table.csv")


def search(**arguments: object) -> SamplingSearch:
    parts = [SynFlow(), NTKConditionNumber(), EffectiveDepth(), EffectiveWidth()]
    given = {"samples": 12, "batch_size": 8, "indicator": RankAggregate(parts), **arguments}
    return SamplingSearch(DigitsDataModule(), NasBench201Space(), **given)  # type: ignore[arg-type]


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


def test_report(tmp_path: Path, table: Path) -> None:
    names = ["synflow", "ntk_condition_number"]
    run(search(), tmp_path, IndicatorRanking(str(table), top=0.25, aggregates={"both": names}))
    with (tmp_path / "indicator_ranking.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = {(row["indicator"], row["dataset"]): row for row in rows}
    assert {name for name, _ in found} == {*names, "both", "effective_depth", "effective_width"}
    assert len(found) == 5 * len(COLUMNS)
    depth = found["effective_depth", "cifar10"]
    assert float(depth["kendall"]) == pytest.approx(1)
    assert float(depth["top_recall"]) == 1
    # Cells without a path fail under SynFlow, and count.
    synflow = found["synflow", "cifar10"]
    assert int(synflow["cells"]) + int(synflow["failed"]) == 12
    assert float(synflow["milliseconds"]) > 0
    assert any(path.name.startswith("events") for path in tmp_path.iterdir())


def test_refuses_what_it_cannot_rank(tmp_path: Path, table: Path) -> None:
    callback = IndicatorRanking(str(table))
    classifier = DagMLPClassifier("2_02", (1, 8, 8), 10, width=4)
    with pytest.raises(MisconfigurationException, match="DagMLPClassifier scores no cells"):
        run(classifier, tmp_path, callback)
    darts = SamplingSearch(DigitsDataModule(), DartsSpace(), samples=2, indicator=Parameters())
    with pytest.raises(MisconfigurationException, match="of the space darts"):
        run(darts, tmp_path, callback)
    double = IndicatorRanking(str(table), aggregates={"synflow": ["synflow"]})
    with pytest.raises(MisconfigurationException, match=r"aggregates\.synflow: the name of an ind"):
        run(search(), tmp_path, double)
    unknown = IndicatorRanking(str(table), aggregates={"mine": ["snip"]})
    with pytest.raises(MisconfigurationException, match=r"aggregates\.mine: expected some of"):
        run(search(), tmp_path, unknown)


def test_arguments(tmp_path: Path, table: Path) -> None:
    with pytest.raises(FileNotFoundError, match="path: no look-up table"):
        IndicatorRanking(str(tmp_path / "nothing.csv"))
    with pytest.raises(ValueError, match="top: expected a share"):
        IndicatorRanking(str(table), top=0)


def test_one_indicator_s_failure_leaves_the_others(tmp_path: Path, table: Path) -> None:
    parts = RankAggregate([Parameters(), SynFlow()])
    module = search(indicator=parts, samples=60)
    run(module, tmp_path, IndicatorRanking(str(table)))
    assert len(module.scores_of("parameters")) == 60
    failed = set(module.scores_of("parameters")) - set(module.scores_of("synflow"))
    assert failed  # without a path from images to logits
    entries = [entry for block in module.history for entry in block["candidates"]]
    assert all(("error" in entry) == (entry["candidate"] in failed) for entry in entries)
    assert module.counts()["failed"] == len(failed)
