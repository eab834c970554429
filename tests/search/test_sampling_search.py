"""The sampling search as a fit: counts, determinism, failures, files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from datamodules import DigitsDataModule
from models import DepthWidthFilter, SamplingSearch
from models.indicators import (
    ActivationOverlap,
    Indicator,
    LinearRegions,
    RankAggregate,
    SynFlow,
)
from models.search.sampling_rules import draw_distinct
from models.spaces import DartsSpace, NasBench201Space
from models.topology import effective_depth_width

RELEASED = {"depth": (0.99, 2.51), "width": (0.99, 3.01)}

Run = Callable[..., pl.Trainer]


class Convolutions(Indicator):
    """Fast: convolutions of the cell, plus what weights, images and random numbers add."""

    name = "convolutions"
    higher_is_better = True
    calls = 0

    def score(self, network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
        type(self).calls += 1
        noise = float(next(network.parameters()).abs().mean() + images.mean() + torch.rand(()))
        return sum("conv" in name for name in network.cell.operations) + 0.1 * noise


class Flawed(Convolutions):
    """Fails for cells with an operation, in the way it is told."""

    name = "flawed"

    def __init__(self, operation: str, value: float | None) -> None:
        self.operation = operation
        self._value = value

    def score(self, network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
        if self.operation not in network.cell.operations:
            return super().score(network, images, labels)
        if self._value is None:
            raise FloatingPointError("it broke")
        return self._value


class Constant(Indicator):
    """All architectures tie."""

    name = "constant"
    higher_is_better = True

    def score(self, network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
        return 1.0


class Nameless(Indicator):
    """Not finished."""

    def score(self, network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
        return 1.0


class Aimless(Nameless):
    """Has a name, no direction."""

    name = "aimless"


def small(space=None, **arguments) -> SamplingSearch:
    arguments = {
        "indicator": Convolutions(),
        "samples": 12,
        "block_size": 5,
        "batch_size": 4,
    } | arguments
    return SamplingSearch(DigitsDataModule(), space or NasBench201Space(), **arguments)


def negate_images(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = DigitsDataModule.probe

    def other(self, count, seed):
        images, labels = probe(self, count, seed)
        return -images, labels

    monkeypatch.setattr(DigitsDataModule, "probe", other)


def entries(search: SamplingSearch) -> list[dict]:
    return [entry for block in search.history for entry in block["candidates"]]


def test_blocks_and_counts(run: Run, tmp_path):
    search = small()
    trainer = run(search, tmp_path)
    assert search.finished
    assert [block["evaluated"] for block in search.history] == [5, 5, 2]
    assert search.evaluation_count == trainer.global_step == 12
    assert search.counts() == {"drawn": 12, "filtered": 0, "evaluated": 12, "failed": 0}
    scores = [entry["scores"]["convolutions"][0] for entry in entries(search)]
    assert str(search.architecture) == entries(search)[scores.index(max(scores))]["candidate"]


def test_the_filter_spares_evaluations(run: Run, tmp_path):
    space = NasBench201Space()
    chosen = DepthWidthFilter(**RELEASED)
    search, free = small(samples=200, filter=chosen), small(samples=200)
    kept = [str(cell) for cell in free.kept if chosen.keeps(space, cell)]
    assert [str(cell) for cell in search.kept] == kept
    run(search, tmp_path)
    assert [entry["candidate"] for entry in entries(search)] == kept
    assert search.counts()["filtered"] == 200 - len(kept)
    # 8,226 of 15,625 cells are kept.
    assert len(kept) / 200 == pytest.approx(8226 / 15625, abs=0.08)
    assert chosen.keeps(space, search.architecture)


def test_a_filter_that_keeps_nothing_is_refused():
    with pytest.raises(ValueError, match="filter: keeps none of the 12 architectures drawn"):
        small(filter=DepthWidthFilter(depth=(7, 8)))


def test_seeds_repeat_and_differ(run: Run, tmp_path):
    first, again, other = small(), small(), small(seed=1)
    torch.manual_seed(1)
    for search in (first, again, other):
        run(search, tmp_path)
    assert first.history == again.history
    assert {e["candidate"] for e in entries(first)} != {e["candidate"] for e in entries(other)}


def test_a_score_depends_on_neither_block_nor_order(run: Run, tmp_path):
    first, other = small(), small(block_size=1, filter=DepthWidthFilter())
    for search in (first, other):
        run(search, tmp_path)
    scores = {entry["candidate"]: entry["scores"] for entry in entries(first)}
    assert 0 < len(entries(other)) < 12
    assert all(scores[entry["candidate"]] == entry["scores"] for entry in entries(other))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "FloatingPointError: it broke"),
        (float("nan"), "ValueError: the score is nan"),
        (float("inf"), "ValueError: the score is inf"),
        (float("-inf"), "ValueError: the score is -inf"),
        ("high", "ValueError: the score is no number: 'high'"),
        ([1.0, 2.0], "ValueError: the score is no number: [1.0, 2.0]"),
    ],
)
def test_failures_are_recorded_and_cannot_win(run: Run, tmp_path, value, reason):
    search = small(indicator=Flawed("nor_conv_3x3", value))
    run(search, tmp_path)
    failed = [entry for entry in entries(search) if "nor_conv_3x3" in entry["candidate"]]
    assert 0 < len(failed) < 12
    assert all(f"flawed: {reason}" == entry["error"] and "scores" not in entry for entry in failed)
    assert search.counts()["failed"] == len(failed)
    assert "nor_conv_3x3" not in str(search.architecture)
    json.loads((tmp_path / "architecture.json").read_text(), parse_constant=pytest.fail)


class Unreadable:
    """A score on a device that fails before it is read."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __float__(self) -> float:
        raise self._error


class OnDevice(Flawed):
    """The device fails while it scores such cells, or while their score is read off it."""

    def __init__(self, operation: str, error: Exception, late: bool) -> None:
        super().__init__(operation, None)
        self._error = error
        self._late = late

    def score(self, network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
        if self.operation not in network.cell.operations:
            return super().score(network, images, labels)
        if not self._late:
            raise self._error
        return Unreadable(self._error)


@pytest.mark.parametrize("late", [False, True])
def test_a_broken_device_ends_the_search(run: Run, tmp_path, late):
    error = torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
    with pytest.raises(torch.AcceleratorError, match="illegal memory access"):
        run(small(indicator=OnDevice("nor_conv_3x3", error, late)), tmp_path)
    assert not (tmp_path / "architecture.json").exists()


@pytest.mark.parametrize("late", [False, True])
def test_out_of_memory_is_a_recorded_failure(run: Run, tmp_path, late):
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nTrace")
    search = small(indicator=OnDevice("nor_conv_3x3", error, late))
    run(search, tmp_path)
    failed = [entry for entry in entries(search) if "nor_conv_3x3" in entry["candidate"]]
    expected = "flawed: out of memory: CUDA out of memory. Tried to allocate 2 GiB."
    assert [entry["error"] for entry in failed] == [expected] * len(failed)
    assert 0 < search.counts()["failed"] == len(failed) < 12


def test_when_nothing_can_be_evaluated_it_says_why(run: Run, tmp_path):
    search = small(indicator=Flawed("", None))
    search.indicator.operation = search.kept[0].operations[0]
    search.kept = search.kept[:1]
    with pytest.raises(ValueError, match="succeeded: flawed: FloatingPointError: it broke"):
        run(search, tmp_path)
    assert not (tmp_path / "architecture.json").exists()


def test_ties_go_to_the_first_drawn(run: Run, tmp_path):
    search = small(indicator=Constant())
    run(search, tmp_path)
    assert search.architecture == search.kept[0]


def test_real_indicators_and_their_aggregate(run: Run, tmp_path):
    parts = [ActivationOverlap(), SynFlow(), LinearRegions()]
    search = small(indicator=RankAggregate(parts, "linear"), samples=6, batch_size=8)
    run(search, tmp_path)
    done = [entry["scores"] for entry in entries(search) if "error" not in entry]
    assert len(done) >= 3
    # By hand: the sum of places in three orders.
    columns = [[scores[part.name][0] for scores in done] for part in parts]
    place = [sum(sum(v <= own[i] for v in own) for own in columns) for i in range(len(done))]
    names = [entry["candidate"] for entry in entries(search) if "error" not in entry]
    assert place[names.index(str(search.architecture))] == max(place)
    assert all(1 <= scores["linear_regions"][0] <= 3000 for scores in done)


def test_naswot_is_the_default_and_sees_the_proxy(run: Run, tmp_path):
    search = SamplingSearch(DigitsDataModule(), NasBench201Space(), samples=2)
    assert isinstance(search.indicator, ActivationOverlap)
    assert search.settings()["network"] == {"channels": 4, "cells_per_stage": 1}
    assert search.settings()["batch_size"] == 32
    paper = SamplingSearch(DigitsDataModule(), NasBench201Space(), samples=2, proxy="paper")
    assert paper.settings()["network"] == {"channels": 16, "cells_per_stage": 5}
    assert paper.settings()["batch_size"] == 128
    run(search, tmp_path)
    assert search.counts()["evaluated"] == 2


def test_darts_ends_in_a_genotype(run: Run, tmp_path):
    space = DartsSpace()
    search = small(space, indicator=None, samples=8, filter=DepthWidthFilter())
    run(search, tmp_path)
    result = json.loads((tmp_path / "architecture.json").read_text())
    genotype = space.parse(result["architecture"])
    assert genotype == search.architecture == space.from_json(result["cells"])
    assert set(result["depth_width"]) == {"normal", "reduce"}
    for found in result["depth_width"].values():
        assert 0.8 <= found["depth"] <= 2.2
        assert 5.7 <= found["width"] <= 15.3
    network = space.network(genotype, channels=4, cells=3)
    assert network(torch.zeros(2, 3, 16, 16)).shape == (2, 10)


def test_scores_are_those_of_a_checkpoint_read_later(run: Run, tmp_path):
    whole, part = small(), small()
    run(whole, tmp_path)
    path = run(part, tmp_path, max_epochs=1, enable_checkpointing=True).checkpoint_callback
    assert len(whole.scores) == 12
    whole.on_load_checkpoint(torch.load(path.best_model_path, weights_only=True))
    assert whole.scores == part.scores
    assert len(part.scores) == 5


def test_result_file(run: Run, tmp_path):
    search = small(filter=DepthWidthFilter())
    run(search, tmp_path)
    result = json.loads((tmp_path / "architecture.json").read_text())
    assert NasBench201Space().parse(result["architecture"]) == search.architecture
    depth_width = effective_depth_width(search.architecture)
    assert result["depth_width"] == {"cell": depth_width._asdict()}
    assert result["settings"]["indicator"] == {"class": "Convolutions"}
    assert result["settings"]["filter"]["radius"] == 0.5
    assert result["counts"] == search.counts()
    assert result["evaluations"] == result["counts"]["evaluated"] == len(search.kept)
    assert result["counts"]["drawn"] == result["counts"]["filtered"] + result["evaluations"] == 12


def test_cached_scores_are_not_computed_again(run: Run, tmp_path, monkeypatch):
    monkeypatch.setattr(Convolutions, "calls", 0)
    path = str(tmp_path / "scores.jsonl")
    plain, first, again = small(), small(cache=path), small(cache=path, block_size=3)
    run(plain, tmp_path)
    run(first, tmp_path)
    assert Convolutions.calls == 24
    run(again, tmp_path)
    assert Convolutions.calls == 24
    assert entries(again) == entries(first) == entries(plain)
    run(small(cache=path, batch_size=5), tmp_path)
    assert Convolutions.calls == 36
    run(small(cache=path, samples=20), tmp_path)
    assert Convolutions.calls == 44


def test_cached_scores_of_other_images_are_not_taken(run: Run, tmp_path, monkeypatch):
    path = str(tmp_path / "scores.jsonl")
    run(small(cache=path), tmp_path)
    monkeypatch.setattr(Convolutions, "calls", 0)
    negate_images(monkeypatch)
    run(small(cache=path), tmp_path)
    assert Convolutions.calls == 12


def test_failures_are_not_cached(run: Run, tmp_path):
    path = tmp_path / "scores.jsonl"
    search = small(indicator=Flawed("nor_conv_3x3", float("-inf")), cache=str(path))
    run(search, tmp_path)
    assert len(path.read_text().splitlines()) == 12 - search.counts()["failed"]


def test_figures_are_logged(run: Run, tmp_path):
    logger = pl.loggers.CSVLogger(tmp_path)
    search = small(filter=DepthWidthFilter())
    run(search, tmp_path, logger=logger, log_every_n_steps=1)
    header, *rows = (Path(logger.log_dir) / "metrics.csv").read_text().splitlines()
    last = dict(zip(header.split(","), rows[-1].split(","), strict=True))
    assert float(last["search/evaluated"]) == len(search.kept)
    assert float(last["search/filtered"]) == 12 - len(search.kept)
    best = max(entry["scores"]["convolutions"][0] for entry in entries(search))
    assert float(last["search/best_convolutions"]) == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 0}, "samples: expected 1 to 15625 for nasbench201, got 0"),
        ({"proxy": "large"}, "proxy: expected 'small' or 'paper', got 'large'"),
        ({"batch_size": 1}, "batch_size: expected 2 or more, got 1"),
        ({"block_size": 0}, "block_size: expected 1 or more, got 0"),
        ({"network": {"depth": 3}}, "network: nasbench201 networks have no 'depth'; allowed: chan"),
        ({"seed": -1}, "seed: expected 0 or more"),
        (
            {"indicator": RankAggregate([Constant(), Constant()])},
            "indicator: expected one or more different indicators",
        ),
        ({"indicator": RankAggregate([nn.ReLU()])}, "expected models.indicators.Indicator .*ReLU"),
        ({"indicator": Nameless()}, "a name and higher_is_better, got Nameless"),
        ({"indicator": Aimless()}, "a name and higher_is_better, got Aimless"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        small(**arguments)


def test_there_is_no_architecture_before_the_first_score():
    with pytest.raises(ValueError, match="architecture: nothing has been scored yet"):
        _ = small().architecture


def test_the_draws_follow_from_the_seed_alone():
    space = NasBench201Space()
    generator = torch.Generator().manual_seed(5)
    before = torch.get_rng_state()
    assert small(seed=5).kept == small(seed=5).kept
    assert draw_distinct(space, 3, generator) != small(samples=3, seed=5).kept
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("precision", ["64-true", "16-true", "bf16-true", "bf16-mixed"])
def test_another_precision_is_refused(run: Run, tmp_path, precision):
    line = f"^trainer.precision: a search runs in 32-true, got {precision}$"
    with pytest.raises(ValueError, match=line):
        run(small(), tmp_path, precision=precision)


@pytest.mark.parametrize("strategy", ["ddp", "ddp_spawn", "ddp_notebook"])
def test_a_strategy_that_averages_gradients_is_refused(tmp_path, strategy):
    search = small()
    search.trainer = pl.Trainer(accelerator="cpu", devices=2, strategy=strategy, logger=False)
    with pytest.raises(ValueError, match=r"^trainer.strategy: .* and a notebook one device$"):
        search.setup("fit")
