"""How orders of cells agree with their accuracy."""

import csv
import math
from itertools import combinations
from pathlib import Path

import pytest
import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException

from callbacks import IndicatorRanking
from callbacks.indicator_ranking import aggregate
from datamodules import DigitsDataModule
from models import DagMLPClassifier, SamplingSearch
from models.analysis.indicator_table import agreement, as_text, ranking
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

SCORES = [3.0, 1.0, 2.0, 2.0, 5.0, -math.inf]
ACCURACIES = [90.0, 10.0, 60.0, 80.0, 70.0, 20.0]


def by_hand_kendall(x: list[float], y: list[float]) -> float:
    """τ_b = (concordant − discordant) / √(pairs untied in x · pairs untied in y)."""
    agree = untied_x = untied_y = 0
    for (a, b), (c, d) in combinations(zip(x, y, strict=True), 2):
        sign_x, sign_y = (a > c) - (a < c), (b > d) - (b < d)
        agree += sign_x * sign_y
        untied_x += sign_x != 0
        untied_y += sign_y != 0
    return agree / math.sqrt(untied_x * untied_y)


def test_agreement_is_that_by_hand() -> None:
    found = agreement(SCORES, ACCURACIES, top=3)
    assert found.kendall == pytest.approx(by_hand_kendall(SCORES, ACCURACIES))
    ranks, truth = [5, 2, 3.5, 3.5, 6, 1], [6, 1, 3, 5, 4, 2]
    mean = 3.5
    covariance = sum((a - mean) * (b - mean) for a, b in zip(ranks, truth, strict=True))
    spread = [sum((a - mean) ** 2 for a in row) for row in (ranks, truth)]
    assert found.spearman == pytest.approx(covariance / math.sqrt(spread[0] * spread[1]))
    gain = [2 ** (a / 100) - 1 for a in (70, 90)] + [(2**0.6 + 2**0.8) / 2 - 1]  # a tie: the mean
    ideal = [2 ** (a / 100) - 1 for a in (90, 80, 70)]
    discount = [1 / math.log2(i + 2) for i in range(3)]
    ratio = [sum(g * d for g, d in zip(row, discount, strict=True)) for row in (gain, ideal)]
    assert found.ndcg == pytest.approx(ratio[0] / ratio[1])
    assert found.top_recall == pytest.approx(2 / 3)  # of 90, 80, 70: 70 and 90
    assert found.best_accuracy == 70


def test_a_perfect_order_and_its_reverse() -> None:
    perfect = agreement(ACCURACIES, ACCURACIES, 2)
    assert perfect == pytest.approx((1, 1, 1, 1, 90))
    assert agreement([-a for a in ACCURACIES], ACCURACIES, 2)[:2] == pytest.approx((-1, -1))


@pytest.mark.parametrize(("scores", "top"), [([1.0], 1), ([1.0, 2.0], 3), ([1.0, 2.0], 0)])
def test_refuses_too_few(scores: list[float], top: int) -> None:
    with pytest.raises(ValueError, match="top: expected 1"):
        agreement(scores, scores, top)


def test_ranking_counts_failures_and_takes_the_median_time() -> None:
    scores = {"one": {"a": 1.0, "b": 2.0}, "two": {"a": 2.0, "b": 1.0, "c": 3.0}}
    table = {"d1": {"a": 10.0, "b": 20.0, "c": 30.0}}
    rows = ranking(scores, table, 0.5, {"one": [1.0, 9.0, 2.0]}, drawn=3)
    assert [(row.cells, row.failed, row.kendall) for row in rows[:1]] == [(2, 1, 1.0)]
    assert rows[0].milliseconds == 2
    assert math.isnan(rows[1].milliseconds)
    lines = as_text(rows).splitlines()
    assert lines[1].startswith("one")  # the best first
    assert "–" in lines[2]
    with pytest.raises(ValueError, match="samples: few scored 1 of 3 cells"):
        ranking({"few": {"a": 1.0}}, table, 0.5, {}, 3)


def test_an_aggregate_counts_directions() -> None:
    parts = [Parameters(), NTKConditionNumber()]
    scores = {
        "parameters": {"a": 1.0, "b": 2.0, "c": 3.0},
        "ntk_condition_number": {"a": 9, "b": 5},
    }
    totals = aggregate(parts, scores, ["a", "b", "c"])
    assert list(totals) == ["a", "b"]
    assert totals["b"] > totals["a"]  # more parameters, and better conditioned


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
    with pytest.raises(MisconfigurationException, match="the space darts, not nasbench201"):
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
