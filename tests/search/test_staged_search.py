"""The search in stages as a fit: who goes on, determinism, failures, files."""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from datamodules import DigitsDataModule
from models import DepthWidthFilter, StagedSearch
from models.benchmarks import HardwareTable
from models.indicators import Indicator, Parameters, SynFlow
from models.networks.cost import Latency, parameters
from models.search import Stage
from models.search.staged_rules import ranking
from models.spaces import DartsSpace, NasBench201Space
from models.spaces.base import ProxySetting

SPACE = NasBench201Space()

Run = Callable[..., pl.Trainer]


class Convolutions(Indicator):
    """Fast: convolutions of the cell, plus what weights, images and random numbers add."""

    name = "convolutions"
    higher_is_better = True

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        noise = float(next(network.parameters()).abs().mean() + images.mean() + torch.rand(()))
        return float(network.cell.operations.count("nor_conv_3x3") + 0.1 * noise)  # type: ignore[union-attr, operator]


class Noise(Convolutions):
    """Nothing but what a repeat draws."""

    name = "noise"
    higher_is_better = False

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        return super().score(network, images, labels) % 1


class Flawed(Convolutions):
    """Fails for cells with an operation."""

    name = "flawed"

    def __init__(self, operation: str) -> None:
        self.operation = operation

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        if self.operation in network.cell.operations:  # type: ignore[operator, union-attr]
            raise FloatingPointError("it broke")
        return super().score(network, images, labels)


TINY: dict[str, Any] = {"network": {"channels": 1, "cells_per_stage": 1}, "batch_size": 4}


def stages() -> list[Stage]:
    return [
        Stage([Convolutions()], keep=5, **TINY),
        Stage([Noise(), Convolutions()], repeats=3, **TINY),
    ]


def small(**arguments: Any) -> StagedSearch:
    given: dict[str, Any] = {"stages": stages(), "samples": 14, "block_size": 6} | arguments
    return StagedSearch(DigitsDataModule(), given.pop("space", SPACE), **given)


def entries(search: StagedSearch, stage: int) -> list[dict[str, Any]]:
    return [e for block in search.history if block["stage"] == stage for e in block["candidates"]]


def test_the_best_of_a_stage_go_on_to_the_next(run: Run, tmp_path: Path) -> None:
    search = small()
    first = search.pools[0]
    trainer = run(search, tmp_path)
    assert search.finished
    n = len(first)
    blocks = [(block["stage"], block["evaluated"]) for block in search.history]
    sizes = [6] * (n // 6) + [n % 6] * (n % 6 > 0)
    # A candidate of the second stage has three networks.
    assert blocks == [*((0, size) for size in sizes), (1, 2), (1, 2), (1, 1)]
    assert search.evaluation_count == trainer.global_step == n + 5
    scores = [entry["scores"]["convolutions"][0] for entry in entries(search, 0)]
    best = sorted(range(n), key=lambda i: -scores[i])[:5]
    assert search.pools[1] == [first[i] for i in best]
    second = [entry["candidate"] for entry in entries(search, 1)]
    assert second == [SPACE.format(cell) for cell in search.pools[1]]


def test_the_last_stage_ranks_over_repeats(run: Run, tmp_path: Path) -> None:
    search = small()
    run(search, tmp_path)
    found = [entry["scores"] for entry in entries(search, 1)]
    assert all(len(set(own["noise"])) == 3 for own in found)
    order = ranking(search.stages[1], found)
    assert search.pools[2] == [search.pools[1][i] for i in order]


def test_the_whole_space_and_the_default_stages() -> None:
    search = StagedSearch(DigitsDataModule(), "nasbench201")
    assert len(search.pools[0]) == 5259
    assert search.counts() == {
        "drawn": 15_625,
        "isomorphic": 10_365,
        "disconnected": 1,
        "filtered": 0,
        "evaluated": 0,
        "failed": 0,
    }
    assert [len(stage.indicators) for stage in search.stages] == [3, 3]
    assert search.block_size == 5259 // 50
    assert search.settings()["stages"][1]["batch_size"] == 16


def test_every_repeat_draws_its_own_weights_images_and_random_numbers(
    run: Run, tmp_path: Path
) -> None:
    """Repeat 0 is the draw of the stage before, whose scores a cache then has."""
    search = small(cache=str(tmp_path / "scores.jsonl"))
    run(search, tmp_path)
    of_first = {e["candidate"]: e["scores"]["convolutions"][0] for e in entries(search, 0)}
    for entry in entries(search, 1):
        scores = entry["scores"]["convolutions"]
        assert scores[0] == of_first[entry["candidate"]]
        assert len(set(scores)) == 3
    lines = (tmp_path / "scores.jsonl").read_text().splitlines()
    assert len(lines) == len(search.pools[0]) + 5 * (3 + 2)


def test_a_filter_spares_evaluations(run: Run, tmp_path: Path) -> None:
    chosen = DepthWidthFilter()
    search = small(samples=40, filter=chosen)
    run(search, tmp_path)
    refused = [cell for cell in search.pools[0] if not chosen.keeps(SPACE, cell)]
    named = [entry["candidate"] for entry in entries(search, 0) if "refused" in entry]
    assert named == [SPACE.format(cell) for cell in refused]
    assert 0 < len(refused) < len(search.pools[0])
    assert search.refused == {"DepthWidthFilter": len(refused)}
    counts = search.counts()
    assert counts["filtered"] == len(refused)
    kept = len(search.pools[0]) - len(refused)
    assert counts["evaluated"] == kept + len(search.pools[1]) == search.evaluation_count
    assert (
        counts["drawn"]
        == 40
        == counts["isomorphic"] + counts["disconnected"] + sum((counts["filtered"], kept))
    )


def test_a_filter_that_keeps_nothing_is_refused(run: Run, tmp_path: Path) -> None:
    search = small(filter=DepthWidthFilter(depth=(7, 8)))
    n = len(search.pools[0])
    line = f"^filter: keeps none of {n} architectures; refused {n} by DepthWidthFilter$"
    with pytest.raises(ValueError, match=line):
        run(search, tmp_path)
    assert Convolutions.name not in str(search.history)


SIZES = {"channels": 2, "cells_per_stage": 1}


def test_a_budget_holds_of_the_network_that_will_be_trained(run: Run, tmp_path: Path) -> None:
    search = small(samples=40, budget={"parameters": 1500}, sizes=SIZES)
    run(search, tmp_path)
    live = [
        parameters(SPACE.network(cell, in_channels=1, **SIZES), (1, 8, 8))
        for cell in search.pools[0]
    ]
    assert search.refused == {"budget.parameters": sum(size > 1500 for size in live)}
    assert 0 < search.refused["budget.parameters"] < len(live)
    size = dict(zip(search.pools[0], live, strict=True))
    assert all(size[cell] <= 1500 for cell in search.pools[1])
    result = json.loads((tmp_path / "architecture.json").read_text())
    assert result["costs"].keys() == {"parameters", "multiply_adds"}
    assert result["costs"]["parameters"] == size[search.architecture]
    assert result["refused"] == search.refused


def test_a_budget_that_nothing_keeps_says_what_is_least(run: Run, tmp_path: Path) -> None:
    search = small(budget={"parameters": 10}, sizes=SIZES)
    n = len(search.pools[0])
    line = rf"budget: keeps none of {n} .* {n} by budget.parameters; the least .*: parameters \d+$"
    with pytest.raises(ValueError, match=line):
        run(search, tmp_path)


def test_a_table_of_latencies_stands_in_for_measuring(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "latencies.csv"
    cells = [SPACE.format(cell) for cell in SPACE.architectures()]
    rows = [f"{cell},{1 + cell.count('conv')}" for cell in cells]
    path.write_text("\n".join(["architecture,phone", *rows]) + "\n")
    table = HardwareTable(str(path), "phone")
    search = small(samples=40, budget={"latency_ms": 3}, hardware=table)
    run(search, tmp_path)
    slow = [cell for cell in search.pools[0] if str(cell).count("conv") > 2]
    assert search.refused == {"budget.latency_ms": len(slow)}
    assert slow
    assert not set(slow) & set(search.pools[1])
    assert search.result()["costs"]["latency_ms"] == 1 + str(search.architecture).count("conv")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is measured: a millisecond for every convolution of 3×3."""
    asked: list[str] = []

    def latency(network: Any, in_shape: Any, device: torch.device) -> Latency:
        asked.append(str(network.cell))
        return Latency(float(network.cell.operations.count("nor_conv_3x3")), 0.1)

    monkeypatch.setattr("models.search.costs.latency", latency)
    return asked


def test_a_latency_is_measured_of_those_alone_that_would_go_on(
    run: Run, tmp_path: Path, measured: list[str]
) -> None:
    search = small(budget={"latency_ms": 1.5})
    run(search, tmp_path)
    scores = [entry["scores"]["convolutions"][0] for entry in entries(search, 0)]
    order = [str(search.pools[0][i]) for i in sorted(range(len(scores)), key=lambda i: -scores[i])]
    assert measured == order[: len(measured)]
    fast = [cell for cell in measured if cell.count("nor_conv_3x3") <= 1]
    assert [str(cell) for cell in search.pools[1]] == fast[:5]
    assert search.refused == {"budget.latency_ms": len(measured) - len(fast)}
    assert search.result()["costs"]["latency_ms"] <= 1.5


def test_a_resume_decides_on_the_latencies_that_were_measured(
    run: Run, tmp_path: Path, measured: list[str]
) -> None:
    search, resumed = (small(budget={"latency_ms": 1.5}) for _ in range(2))
    path = run(search, tmp_path, enable_checkpointing=True).checkpoint_callback.best_model_path  # type: ignore[union-attr]
    measured.clear()
    run(resumed, tmp_path, ckpt_path=path)
    assert not measured
    assert resumed.result() == search.result()


def test_failures_are_recorded_and_do_not_go_on(run: Run, tmp_path: Path) -> None:
    search = small(stages=[Stage([Flawed("nor_conv_3x3")], keep=3, **TINY), stages()[1]])
    run(search, tmp_path)
    failed = [entry for entry in entries(search, 0) if "nor_conv_3x3" in entry["candidate"]]
    assert failed
    assert all(e["error"] == "flawed: FloatingPointError: it broke" for e in failed)
    assert all("scores" not in entry for entry in failed)
    assert search.counts()["failed"] == len(failed)
    assert not any("nor_conv_3x3" in cell.operations for cell in search.pools[1])


def test_a_stage_in_which_nothing_can_be_scored_says_why(run: Run, tmp_path: Path) -> None:
    broken = Stage([Flawed("nor_conv_3x3")], **TINY)
    search = small(stages=[Stage([Convolutions()], keep=2, **TINY), broken])
    with pytest.raises(ValueError, match="no evaluation succeeded: flawed: FloatingPointError"):
        run(search, tmp_path)
    assert not (tmp_path / "architecture.json").exists()


def test_seeds_repeat_and_differ(run: Run, tmp_path: Path) -> None:
    first, again, other = small(), small(), small(seed=1)
    torch.manual_seed(1)
    for search in (first, again, other):
        run(search, tmp_path)
    assert first.history == again.history
    assert first.pools[0] != other.pools[0]


@pytest.mark.parametrize("epochs", [1, 3, 4])
def test_resume_equals_uninterrupted(run: Run, tmp_path: Path, epochs: int) -> None:
    """Killed in the first stage, at its end, and in the second."""
    whole, part, resumed = small(), small(), small()
    run(whole, tmp_path / "whole")
    trainer = run(part, tmp_path / "part", max_epochs=epochs, enable_checkpointing=True)
    assert not part.finished
    path = trainer.checkpoint_callback.best_model_path  # type: ignore[union-attr]
    run(resumed, tmp_path / "part", ckpt_path=path)
    assert resumed.history == whole.history
    assert resumed.pools == whole.pools


def test_result_file_names_who_went_on(run: Run, tmp_path: Path) -> None:
    search = small()
    run(search, tmp_path)
    result = json.loads((tmp_path / "architecture.json").read_text(), parse_constant=pytest.fail)
    assert SPACE.parse(result["architecture"]) == search.architecture == search.pools[2][0]
    assert [stage["indicators"] for stage in result["stages"]] == [
        ["convolutions"],
        ["noise", "convolutions"],
    ]
    assert [stage["evaluated"] for stage in result["stages"]] == [len(search.pools[0]), 5]
    for stage, pool in zip(result["stages"], search.pools[1:], strict=True):
        assert stage["survivors"] == [SPACE.format(cell) for cell in pool]
    assert result["rounds"] == search.history
    assert result["settings"]["stages"][1]["repeats"] == 3


def test_figures_are_logged(run: Run, tmp_path: Path) -> None:
    logger = pl.loggers.CSVLogger(tmp_path)
    search = small()
    run(search, tmp_path, logger=logger, log_every_n_steps=1)
    header, *rows = (Path(logger.log_dir) / "metrics.csv").read_text().splitlines()
    last = dict(zip(header.split(","), rows[-1].split(","), strict=True))
    assert float(last["search/evaluated"]) == search.evaluation_count
    assert float(last["search/stage"]) == 2
    assert search.progress() == {"stage": 2, "evaluated": search.evaluation_count, "refused": 0}
    (best,) = [e for e in entries(search, 1) if e["candidate"] == str(search.architecture)]
    expected = fmean(best["scores"]["noise"])
    assert float(last["search/best_noise"]) == pytest.approx(expected, rel=1e-5)


def test_the_line_says_how_far_it_came(run: Run, tmp_path: Path) -> None:
    search = small()
    n = len(search.pools[0])
    assert search.summary() == f"stage 1 of 2: 0 of {n} scored"
    run(search, tmp_path, max_epochs=1)
    assert search.summary() == f"stage 1 of 2: 6 of {n} scored"
    assert search.architecture in search.pools[0][:6]
    done = small()
    run(done, tmp_path)
    assert done.summary().startswith(f"found {done.architecture}, first by the ranks of stage 2: ")


def test_there_is_no_architecture_before_the_first_score() -> None:
    with pytest.raises(ValueError, match="architecture: nothing has been scored yet"):
        _ = small().architecture


def tiny(*indicators: Indicator, **arguments: Any) -> Stage:
    return Stage(list(indicators), **TINY | arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stages": []}, "stages: expected one or more, got none"),
        ({"stages": [tiny()]}, r"stages\[0\].indicators: expected one or more different"),
        (
            {"stages": [tiny(SynFlow()), tiny(Parameters())]},
            r"stages\[0\].keep: expected how many go on to the next stage, got none",
        ),
        ({"stages": [tiny(SynFlow(), keep=0)]}, r"stages\[0\].keep: expected 1 or more, got 0"),
        ({"stages": [tiny(SynFlow(), repeats=0)]}, r"stages\[0\].repeats: expected 1 or more"),
        ({"stages": [tiny(SynFlow(), batch_size=1)]}, r"stages\[0\].batch_size: expected 2 or"),
        (
            {"stages": [tiny(SynFlow(), network={"depth": 3})]},
            r"stages\[0\].network: nasbench201 networks have no 'depth'",
        ),
        ({"block_size": 0}, "block_size: expected 1 or more, got 0"),
        ({"samples": 0}, "samples: expected 1 to 15625 for nasbench201, got 0"),
        ({"budget": {"parameters": -1}}, "budget.parameters: expected a finite number above 0"),
        ({"budget": {"size": 3}}, "budget.size: no such cost"),
        ({"sizes": {"depth": 3}}, "sizes: nasbench201 networks have no 'depth'"),
        ({"seed": -1}, "seed: expected 0 or more"),
        ({"space": DartsSpace(), "stages": None, "samples": "all"}, r"darts has no architectures"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**arguments)


def test_a_space_that_is_drawn_from(run: Run, tmp_path: Path) -> None:
    space = DartsSpace()
    setting = ProxySetting({"channels": 1, "cells": 3}, 4)
    two = [
        Stage([Parameters()], 2, 1, None, *setting),
        Stage([SynFlow()], None, 2, None, *setting),
    ]
    search = small(space=space, stages=two, samples=4)
    run(search, tmp_path)
    result = json.loads((tmp_path / "architecture.json").read_text())
    assert space.from_json(result["cells"]) == search.architecture
