"""Searches by sampling under a budget."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from datamodules import DigitsDataModule
from lightning_app.cli import main
from models import DepthWidthFilter, SamplingSearch
from models.benchmarks import HardwareTable
from models.indicators import EffectiveDepth
from models.networks.cost import Latency, cost
from models.search import feasible
from models.spaces import NasBench201Space, read_architecture

SPACE = NasBench201Space()
SIZES = {"channels": 4, "cells_per_stage": 1}

Run = Callable[..., pl.Trainer]


def small(**arguments) -> SamplingSearch:
    arguments = {
        "indicator": EffectiveDepth(),
        "samples": 12,
        "block_size": 5,
        "batch_size": 4,
        "sizes": SIZES,
    } | arguments
    return SamplingSearch(DigitsDataModule(), SPACE, **arguments)


def latency_of(text: str) -> float:
    return 1 + sum(map(ord, text)) % 1000 / 1000


@pytest.fixture
def table(tmp_path: Path) -> HardwareTable:
    path = tmp_path / "latencies.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["architecture", "phone"])
        rows.writerows([t, latency_of(t)] for t in map(SPACE.format, SPACE.architectures()))
    return HardwareTable(str(path), "phone")


def test_it_draws_until_enough_keep_to_the_budget(run: Run, tmp_path) -> None:
    bound = 9000
    search = small(budget={"parameters": bound})
    counted = [cost(SPACE.network(one, 10, 1, **SIZES), (1, 8, 8)) for one in search.kept]
    assert len(counted) == 12 < search.tried
    assert all(0 < own.parameters <= bound for own in counted)
    assert search.counts()["filtered"] == search.tried - 12
    # Those drawn first, but for the refused.
    drawn = [one for one in small(samples=search.tried).kept if one in set(search.kept)]
    assert drawn == search.kept
    run(search, tmp_path)
    found = json.loads((tmp_path / "architecture.json").read_text())
    assert found["costs"] == search.costs.of(search.architecture, ["parameters", "multiply_adds"])
    assert found["refused"] == {"budget.parameters": search.tried - 12}
    assert found["settings"]["budget"] == {"parameters": bound}
    assert f"parameters {found['costs']['parameters']:,.0f} of 9,000;" in search.summary()


def test_what_is_to_be_typed_next_trains_what_was_found(run: Run, tmp_path) -> None:
    search = small(budget={"parameters": 9000})
    run(search, tmp_path)
    assert search.summary().endswith(
        "; train it with: lightning fit --model models.ArchitectureClassifier "
        "--model.space models.spaces.NasBench201Space --model.architecture "
        f"{tmp_path / 'architecture.json'} "
        """--model.sizes '{"channels": 4, "cells_per_stage": 1}' """
        "--data datamodules.DigitsDataModule --data.root data"
    )
    text = str(tmp_path / "architecture.json")
    assert read_architecture(SPACE, text) == search.architecture


def test_costs_are_told_without_a_budget_too(run: Run, tmp_path) -> None:
    run(small(samples=2, sizes=None), tmp_path)
    found = json.loads((tmp_path / "architecture.json").read_text())
    network = SPACE.network(SPACE.parse(found["architecture"]), 10, 1)
    assert found["costs"]["parameters"] == cost(network, (1, 8, 8)).parameters
    assert found["settings"]["budget"] is None


def test_filter_and_budget_are_both_kept_to() -> None:
    chosen = DepthWidthFilter(depth=(0.5, 2), width=(0.5, 3))
    search = small(budget={"parameters": 9000}, filter=chosen)
    assert len(search.kept) == 12
    assert all(chosen.keeps(SPACE, one) for one in search.kept)
    assert set(search.filtering.refused) == {"budget.parameters", "DepthWidthFilter"}
    assert sum(search.filtering.refused.values()) == search.tried - 12


def test_a_budget_that_nothing_keeps_to_says_what_the_smallest_costs() -> None:
    with pytest.raises(ValueError, match=r"^budget\.parameters: nothing found in nas") as raised:
        small(budget={"parameters": 100})
    text = str(raised.value)
    # The stem, two reductions and the head, with a skip or a pooling between them.
    least = cost(
        SPACE.network(
            SPACE.parse("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"), 10, 1, **SIZES
        ),
        (1, 8, 8),
    ).parameters
    assert "costs at most 100: 100 architectures were drawn, and the cheapest from there" in text
    assert f"{least:,}, |" in text


def test_it_gives_up_and_goes_on_with_those_found(run: Run, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(feasible, "PATIENCE", 20)
    with pytest.warns(UserWarning, match=r"samples: gave up after \d+ tries with \d+ of 1000 "):
        search = small(samples=1000, budget={"parameters": 5000})
    assert 0 < len(search.kept) < 1000
    run(search, tmp_path)
    assert search.finished


class Numbers:
    """A space of numbers below 10,000, each of which costs itself."""

    count, name, bounds = 10_000, "numbers", {"parameters": 5.0}

    def random_architecture(self, draw: torch.Generator) -> int:
        return int(torch.randint(1, self.count, (), generator=draw))

    def mutate(self, number: int, draw: torch.Generator) -> int:
        return int(torch.randint(max(1, number // 2), 2 * number + 1, (), generator=draw))

    def of(self, number: int, names: list[str]) -> dict[str, float]:
        return dict.fromkeys(names, float(number))

    def keeps(self, number: int) -> bool:
        return number <= self.bounds["parameters"]


def test_what_is_drawn_is_led_into_a_budget_that_little_keeps() -> None:
    numbers: Any = Numbers()
    numbers.costs, numbers.refused = numbers, Counter()
    kept, tried = feasible.draw_feasible(numbers, 3, numbers, numbers, 0)
    assert len(set(kept)) == 3
    assert max(kept) <= 5
    assert tried < 150  # of which a hundred are drawn first
    # Those reached come again and again.
    assert 3 < len(feasible.draw_feasible(numbers, 9, numbers, numbers, 0).kept) < 9


def test_a_table_stands_in_for_measuring(run: Run, table, tmp_path) -> None:
    search = small(budget={"latency_ms": 1.4}, hardware=table)
    assert all(latency_of(SPACE.format(one)) <= 1.4 for one in search.kept)
    run(search, tmp_path / "whole")
    found = json.loads((tmp_path / "whole" / "architecture.json").read_text())
    assert found["costs"]["latency_ms"] == latency_of(found["architecture"])
    assert found["settings"]["hardware"]["column"] == "phone"
    assert "path" not in found["settings"]["hardware"]
    part = run(
        small(budget={"latency_ms": 1.4}, hardware=table),
        tmp_path / "part",
        max_epochs=1,
        enable_checkpointing=True,
    )
    resumed = small(budget={"latency_ms": 1.4}, hardware=table)
    run(resumed, tmp_path / "part", ckpt_path=part.checkpoint_callback.best_model_path)
    assert resumed.history == search.history


def test_a_resume_decides_on_the_latencies_that_were_measured(
    run: Run, monkeypatch, tmp_path
) -> None:
    measured: list[float] = []

    def noisy(*_: object) -> Latency:  # never the same twice
        measured.append(1 + len(measured) * 7 % 11 / 10)
        return Latency(measured[-1], 1.0)

    monkeypatch.setattr("models.search.costs.latency", noisy)
    part = small(budget={"latency_ms": 1.5})
    assert part.kept == []  # processes must be there to agree
    trainer = run(part, tmp_path, max_epochs=1, enable_checkpointing=True)
    count = len(measured)
    assert part.tried == count > len(part.kept) == 12
    resumed = small(budget={"latency_ms": 1.5})
    run(resumed, tmp_path, ckpt_path=trainer.checkpoint_callback.best_model_path)
    assert len(measured) == count
    assert resumed.kept == part.kept
    assert resumed.finished
    found = json.loads((tmp_path / "architecture.json").read_text())
    assert found["costs"]["latency_ms_interquartile_range"] == 1.0
    assert "is nearer to its bound 1.5 than its interquartile range 1" in found["doubt"]
    assert found["doubt"] in resumed.summary()


def test_shares_and_the_best_so_far_are_logged(run: Run, tmp_path) -> None:
    logger = pl.loggers.CSVLogger(tmp_path)
    search = small(budget={"parameters": 9000})
    run(search, tmp_path, logger=logger)
    header, *rows = (Path(logger.log_dir) / "metrics.csv").read_text().splitlines()
    last = dict(zip(header.split(","), rows[-1].split(","), strict=True))
    share = (search.tried - 12) / search.tried
    assert float(last["search/refused_parameters"]) == pytest.approx(share, rel=1e-6)
    best = max(own[0] for own in search.scores if own)
    assert float(last["search/best_effective_depth"]) == pytest.approx(best, rel=1e-6)
    assert search.progress() == {"evaluated": 12, "feasible": 12, "refused": search.tried - 12}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{parameters: -1}", "budget.parameters: expected a finite number above 0, got -1"),
        ("{parameters: .inf}", "budget.parameters: expected a finite number above 0, got inf"),
        ("{latency_ms: lots}", "budget.latency_ms: expected a finite number above 0, got 'lots'"),
        ("{multiply_adds: true}", "budget.multiply_adds: expected a finite number above 0, got T"),
        ("{flops: 5e6}", "budget.flops: no such cost; allowed: parameters, multiply_adds, latenc"),
        ("{}", "budget: expected bounds on parameters, multiply_adds, latency_ms, or null for n"),
        ("[1]", "model.budget: "),
        pytest.param(
            "{parameters: 10}",
            "budget.parameters: nothing found in nasbench201 costs at most 10: ",
            marks=pytest.mark.slow,  # a hundred are drawn first
        ),
    ],
)
def test_a_bad_budget_on_the_command_line(text, message, capsys, monkeypatch, tmp_path) -> None:
    config = Path(__file__).parents[2] / "configs" / "search" / "sampling_digits.yaml"
    sizes = '{"channels": 4, "cells_per_stage": 1}'
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lightning"])
    words = ["fit", "--config", str(config), "--model.sizes", sizes, "--model.budget", text]
    with pytest.raises(SystemExit):
        main(words)
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith(f"lightning: error: {message}")
    assert not list(tmp_path.rglob("*.ckpt"))
    torch.manual_seed(0)
