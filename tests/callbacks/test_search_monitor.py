"""Pictures of a search: which, when, and none twice."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from matplotlib.figure import Figure
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from callbacks import SearchMonitor
from callbacks.search_monitor import _kept
from datamodules import DigitsDataModule
from models import (
    DagMLPClassifier,
    EvolutionSearch,
    PruningSearch,
    SamplingSearch,
    StagedSearch,
)
from models.indicators import Layers, Parameters
from models.search import DepthWidthFilter, Stage

SMALL = {"channels": 2, "cells_per_stage": 1}
Pictures = dict[str, list[tuple[int, int, int]]]


def fit(search: Any, logger: Any, ckpt_path: Path | None = None, epochs: int = -1) -> pl.Trainer:
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=logger,
        callbacks=[SearchMonitor()],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(search, ckpt_path=ckpt_path)
    return trainer


def pictures(logger: TensorBoardLogger) -> Pictures:
    """Round, width and height of each picture, by tag."""
    logger.finalize("success")
    events = EventAccumulator(logger.log_dir, {"images": 0}).Reload()
    return {
        tag: [(one.step, one.width, one.height) for one in events.Images(tag)]
        for tag in events.Tags()["images"]
    }


def sampling(space: str = "nasbench201", samples: int = 10) -> SamplingSearch:
    sizes = SMALL if space == "nasbench201" else None
    return SamplingSearch(
        DigitsDataModule(), space, samples=samples, indicator=Parameters(), batch_size=2,
        block_size=1, network=sizes, sizes=sizes,
    )  # fmt: skip


@pytest.fixture
def blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that take no time; what they hold is tested elsewhere."""
    for name in ("scores_figure", "draw_topology"):
        monkeypatch.setattr(f"callbacks.search_monitor.{name}", lambda *_, **__: Figure((1, 1)))


@pytest.mark.usefixtures("blank")
def test_scores_as_often_as_their_number_doubles_and_the_best_when_it_is_another(
    tmp_path: Path,
) -> None:
    logger, search = TensorBoardLogger(tmp_path), sampling()
    fit(search, logger)
    shown = pictures(logger)
    assert shown.keys() == {"search/scores/parameters", "search/best/cell"}
    assert [step for step, *_ in shown["search/scores/parameters"]] == [0, 1, 3, 7, 9]
    best, ahead = -1.0, []
    for step, done in enumerate(search.history):
        score = done["candidates"][0]["scores"]["parameters"][0]
        if score > best:
            best = score
            ahead.append(step)
    looked = [0, 1, 3, 7, 9]
    expected = sorted({next(s for s in looked if s >= step) for step in ahead})
    assert [step for step, *_ in shown["search/best/cell"]] == expected


@pytest.mark.usefixtures("blank")
def test_a_resume_repeats_nothing(tmp_path: Path) -> None:
    whole = TensorBoardLogger(tmp_path, version="whole")
    fit(sampling(), whole)
    logger = TensorBoardLogger(tmp_path, version="parts")
    trainer = fit(sampling(), logger, epochs=5)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    logger = TensorBoardLogger(tmp_path, version="parts")
    fit(sampling(), logger, tmp_path / "a.ckpt")
    assert pictures(logger) == pictures(whole)


def test_a_pruning_search_s_operations_are_each_pruned_or_kept(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    search = PruningSearch(
        DigitsDataModule(), "nasbench201", repeats=1, batch_size=2, scores=[Layers()],
        supernet={"channels": 1, "cells_per_stage": 1},
    )  # fmt: skip
    fit(search, logger)
    assert [step for step, *_ in pictures(logger)["search/pruned"]] == [2]
    pruned = [name for done in search.history for name in done["pruned"]]
    assert len(_kept(search)) == 6
    assert len({*pruned, *_kept(search)}) == len(pruned) + 6 == 6 * 4


def test_an_evolution_that_trades_a_score_for_a_cost(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    search = EvolutionSearch(
        DigitsDataModule(), "nasbench201", objectives=[Layers(), "parameters"], evaluations=6,
        population=3, offspring=3, batch_size=2, network=SMALL, sizes=SMALL,
    )  # fmt: skip
    fit(search, logger)
    shown = pictures(logger)
    assert shown.keys() == {"search/scores/layers", "search/best/cell"}
    assert {one[1:] for one in shown["search/scores/layers"]} == {(460, 460)}


@pytest.mark.usefixtures("blank")
def test_what_a_filter_refused_and_the_direction_of_scores_are_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "callbacks.search_monitor.scores_figure", lambda *_, **how: drawn.append(how) or Figure()
    )
    rule = DepthWidthFilter()
    worse = type("Worse", (Parameters,), {"name": "worse", "higher_is_better": False})()
    search = SamplingSearch(
        DigitsDataModule(), "nasbench201", samples=8, filter=rule, indicator=worse, batch_size=2,
        network=SMALL,
    )  # fmt: skip
    fit(search, TensorBoardLogger(tmp_path))
    stages = [Stage([worse], keep=1)]
    staged = StagedSearch(
        DigitsDataModule(), "nasbench201", stages, samples=8, filter=rule, block_size=99
    )
    fit(staged, TensorBoardLogger(tmp_path))
    keeps = rule.bind(search.space, (1, 8, 8), 10)
    for one, how in zip((search, staged), drawn, strict=True):
        assert len(how["refused"]) == one.counts()["filtered"] > 0
        assert not any(keeps(one.space.parse(text)) for text in how["refused"])
        assert not how["higher_is_better"]


@pytest.mark.parametrize("logger", [False, "csv"])
def test_without_a_logger_that_takes_pictures(tmp_path: Path, logger: Any) -> None:
    search = sampling(samples=2)
    fit(search, CSVLogger(tmp_path) if logger else False)
    assert search.finished


def test_what_is_no_search_is_refused() -> None:
    data = DigitsDataModule()
    trainer = pl.Trainer(accelerator="cpu", logger=False, callbacks=[SearchMonitor()])
    with pytest.raises(MisconfigurationException, match=r"SearchMonitor: DagMLPClassifier is no"):
        trainer.fit(DagMLPClassifier("2", data.in_shape, 10, width=4), data)
