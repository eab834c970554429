"""The evolution as a fit: generations, costs, resumes, files, bad arguments."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader

from datamodules import DigitsDataModule
from models import EvolutionSearch
from models.indicators import Indicator, Parameters, RankAggregate, SynFlow
from models.networks.cost import Latency
from models.spaces import DartsSpace, NasBench201Space, read_architecture

SPACE = NasBench201Space()

Run = Callable[..., pl.Trainer]


class Convolutions(Indicator):
    """Fast: convolutions of the cell, plus what weights, images and random numbers add."""

    name = "convolutions"
    higher_is_better = True

    def score(self, network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
        noise = float(next(network.parameters()).abs().mean() + images.mean() + torch.rand(()))
        return sum("conv" in name for name in network.cell.operations) + 0.1 * noise


class Pools(Convolutions):
    """Fewer is better; cells with a skip fail."""

    name = "pools"
    higher_is_better = False

    def score(self, network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
        if "skip_connect" in network.cell.operations:
            raise FloatingPointError("it broke")
        return float(sum("pool" in name for name in network.cell.operations))


class Table:
    """Latencies without a device."""

    column = "convolutions"

    def bind(self, space: Any) -> Any:
        return lambda cell: 1.0 + sum("conv" in name for name in cell.operations)


SEVERAL = {"objectives": [Convolutions(), "parameters", "latency_ms"], "hardware": Table()}


def small(space: Any = SPACE, **arguments: Any) -> EvolutionSearch:
    sizes = {"channels": 2, "cells_per_stage": 1} if space is SPACE else None
    defaults = {
        "objectives": Convolutions(),
        "evaluations": 26,
        "population": 8,
        "offspring": 6,
        "batch_size": 4,
        "network": sizes,
        "sizes": sizes,
    }
    return EvolutionSearch(DigitsDataModule(), space, **defaults | arguments)


def entries(search: EvolutionSearch) -> list[dict[str, Any]]:
    return [entry for generation in search.history for entry in generation["candidates"]]


def test_generations_and_counts(run: Run, tmp_path: Path) -> None:
    search = small()
    trainer = run(search, tmp_path)
    assert [done["evaluated"] for done in search.history] == [8, 6, 6, 6]
    assert search.finished
    assert search.evaluation_count == trainer.global_step == 26
    names = [entry["candidate"] for entry in entries(search)]
    cells = [SPACE.parse(name) for name in names]
    assert len({SPACE.canonical(cell) for cell in cells}) == 26
    valid = [i for i, entry in enumerate(entries(search)) if "error" not in entry]
    assert search.history[-1]["population"] == valid[-8:]
    scores = [entry["scores"]["convolutions"][0] for entry in entries(search)]
    assert str(search.architecture) == names[scores.index(max(scores))]
    counts = search.counts()
    assert counts["drawn"] == counts["known"] + 26
    assert counts["refused"] == {}


def test_it_finds_better_than_its_first_draws(run: Run, tmp_path: Path) -> None:
    search = small(evaluations=80)
    run(search, tmp_path)
    scores = [entry["scores"]["convolutions"][0] for entry in entries(search)]
    assert max(scores[:8]) < 6 <= max(scores)
    assert sum(scores[-8:]) > sum(scores[:8])


def test_several_objectives_end_in_a_front(run: Run, tmp_path: Path) -> None:
    search = small(**SEVERAL)
    run(search, tmp_path)
    for entry in entries(search):
        assert entry["costs"].keys() == {"parameters", "latency_ms"}
    result = json.loads((tmp_path / "architecture.json").read_text())
    points = {
        entry["candidate"]: (-entry["scores"]["convolutions"][0], *entry["costs"].values())
        for entry in entries(search)
        if "error" not in entry
    }
    on = {
        name
        for name, own in points.items()
        if not any(
            all(a <= b for a, b in zip(p, own, strict=True)) and p != own for p in points.values()
        )
    }
    members = result["members"]
    assert {member["architecture"] for member in members} == on
    assert [m["number"] for m in members] == list(range(1, len(members) + 1))
    scores = [member["convolutions"] for member in members]
    assert scores == sorted(scores, reverse=True)
    (chosen,) = [member for member in members if member["chosen"]]
    assert chosen["architecture"] == result["architecture"] == str(search.architecture)
    assert chosen["costs"] == result["costs"]
    assert chosen["costs"].keys() == {"parameters", "multiply_adds", "latency_ms"}
    assert result["chosen"] == f"#{chosen['number']}, the front's knee"
    third = read_architecture(SPACE, f"{tmp_path / 'architecture.json'}#3")
    assert str(third) == members[2]["architecture"]
    with (tmp_path / "front.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["architecture"] for row in rows] == [m["architecture"] for m in members]
    assert float(rows[0]["multiply_adds"]) == members[0]["costs"]["multiply_adds"]


def test_the_costs_are_those_of_the_network_that_will_be_trained(run: Run, tmp_path: Path) -> None:
    sizes = {"channels": 4, "cells_per_stage": 2}
    search = small(objectives=[Convolutions(), "parameters"], sizes=sizes)
    run(search, tmp_path)
    result = json.loads((tmp_path / "architecture.json").read_text())
    network = SPACE.network(search.architecture, 10, 1, **sizes)
    count = Parameters().score(network, *DigitsDataModule().probe(2, 0))
    assert result["costs"]["parameters"] == count


@pytest.mark.parametrize("objectives", [Convolutions(), [Convolutions(), "parameters"]])
def test_a_budget_holds_for_all_that_is_evaluated(
    run: Run, tmp_path: Path, objectives: Any
) -> None:
    search = small(objectives=objectives, budget={"parameters": 2900})
    run(search, tmp_path)
    assert all(entry["costs"]["parameters"] <= 2900 for entry in entries(search))
    assert all(done["refused"].keys() <= {"budget.parameters"} for done in search.history)
    counts = search.counts()
    refused = counts["refused"]["budget.parameters"]
    assert refused > 0
    assert counts["drawn"] == counts["known"] + refused + counts["evaluated"]
    front = search.front()
    assert front is not None
    assert front.chosen == 0


def test_what_is_impossible_is_one_line_before_anything_is_scored(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.search.feasible._DOUBTFUL", 10)
    search, loader = small(budget={"parameters": 1}), DataLoader.__init__
    with pytest.raises(ValueError, match=r"^budget\.parameters: nothing found in nasb") as raised:
        run(search, tmp_path)
    assert "\n" not in str(raised.value)
    assert search.history == []
    assert DataLoader.__init__ is loader  # as Lightning leaves it patched if a loader's hook raises


def test_it_ends_where_nothing_new_is_left(run: Run, tmp_path: Path) -> None:
    def few(cell: Any) -> bool:
        return set(cell.operations) <= {"none", "nor_conv_3x3"}

    search = small(evaluations=100)
    search.filtering.keeps = few  # type: ignore[method-assign]
    run(search, tmp_path)
    classes = {SPACE.canonical(cell) for cell in SPACE.architectures() if few(cell)}
    assert search.finished
    assert set(map(SPACE.parse, (e["candidate"] for e in entries(search)))) <= classes
    assert search.evaluation_count == len(classes) < 100


def test_an_aggregate_ranks_everything_evaluated(run: Run, tmp_path: Path) -> None:
    aggregate = RankAggregate([SynFlow(), Convolutions()])
    search = small(objectives=aggregate)
    run(search, tmp_path)
    done = [entry for entry in entries(search) if "error" not in entry]
    rows = [[entry["scores"][one.name][0] for entry in done] for one in aggregate.indicators]
    merits: list[Any] = aggregate.aggregate(rows)
    assert str(search.architecture) == done[merits.index(max(merits))]["candidate"]
    front = search.front()
    assert front is not None
    assert front.values[front.members[0]] == (max(merits),)


def test_failures_are_recorded_and_do_not_live(run: Run, tmp_path: Path) -> None:
    search = small(objectives=[Convolutions(), Pools()])
    run(search, tmp_path)
    failed = [i for i, entry in enumerate(entries(search)) if "error" in entry]
    assert failed
    assert all("skip_connect" in entries(search)[i]["candidate"] for i in failed)
    assert all(set(done["population"]).isdisjoint(failed) for done in search.history)
    assert search.counts()["failed"] == len(failed)
    assert "skip_connect" not in str(search.architecture)


class Broken(Convolutions):
    name = "broken"

    def score(self, network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
        raise FloatingPointError("it broke")


def test_when_nothing_can_be_evaluated_it_says_why(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no evaluation succeeded: broken: FloatingPointError: it"):
        run(small(objectives=Broken()), tmp_path)


@pytest.mark.parametrize("arguments", [{}, SEVERAL, {"budget": {"parameters": 2900}}])
def test_a_resume_from_any_generation_changes_nothing(
    run: Run, tmp_path: Path, arguments: dict[str, Any]
) -> None:
    def found_in(folder: Path) -> Any:
        result = json.loads((folder / "architecture.json").read_text())
        del result["seconds"]
        return result

    whole = small(**arguments)
    every = ModelCheckpoint(tmp_path / "kept", "{epoch}", save_top_k=-1)
    run(whole, tmp_path / "whole", enable_checkpointing=True, callbacks=[every])
    for epoch in range(3):
        path = tmp_path / "kept" / f"epoch={epoch}.ckpt"
        assert len(torch.load(path, weights_only=True)["search"]["rounds"]) == epoch + 1
        resumed = small(**arguments)
        run(resumed, tmp_path / str(epoch), ckpt_path=path)
        assert resumed.history == whole.history
        assert found_in(tmp_path / str(epoch)) == found_in(tmp_path / "whole")


def test_a_measured_latency_is_measured_once_and_kept(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Any] = []

    def measure(network: Any, *others: Any) -> Latency:
        measured.append(network.cell)
        return Latency(float(len(measured)), 0.0)

    monkeypatch.setattr("models.search.costs.latency", measure)
    part = small(objectives=[Convolutions(), "latency_ms"])
    trainer = run(part, tmp_path, max_epochs=2, enable_checkpointing=True)
    before = len(measured)
    resumed = small(objectives=[Convolutions(), "latency_ms"])
    run(resumed, tmp_path, ckpt_path=trainer.checkpoint_callback.best_model_path)  # type: ignore[union-attr]
    assert resumed.history[:2] == part.history
    assert len(set(measured)) == len(measured) == 26 > before
    latencies = [entry["costs"]["latency_ms"] for entry in entries(resumed)]
    assert latencies == [float(number) for number in range(1, 27)]


def test_it_says_what_was_chosen_why_and_what_comes_next(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    search = small(**SEVERAL)
    assert search.summary() == "0 of 26 architectures evaluated"
    with caplog.at_level("INFO"):
        run(search, tmp_path)
    summary = search.summary()
    assert "\n" not in summary
    assert f", the front's knee: {search.architecture} among " in summary
    assert " 0 refused, 26 evaluated, 0 failed, " in summary
    assert f"--model.architecture {tmp_path / 'architecture.json'}" in summary
    assert "# convolutions parameters latency_ms architecture" in " ".join(caplog.text.split())


def test_darts_evolves(run: Run, tmp_path: Path) -> None:
    space = DartsSpace()
    sizes = {"channels": 2, "cells": 2}
    search = small(
        space, objectives=[SynFlow(), "parameters"], evaluations=7, population=4, offspring=3,
        network=sizes, sizes=sizes,
    )  # fmt: skip
    run(search, tmp_path)
    for entry in entries(search):
        assert space.canonical(space.parse(entry["candidate"])) == space.parse(entry["candidate"])


class Still(NasBench201Space):
    """A space without neighbours."""

    name = "still"
    mutate = NasBench201Space.__mro__[2].mutate  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"evaluations": 0}, "evaluations: expected 1 to 15625, got 0"),
        ({"evaluations": 15626}, "evaluations: expected 1 to 15625, got 15626"),
        ({"population": 1}, "population: expected 2 or more, got 1"),
        ({"offspring": 0}, "offspring: expected 1 or more, got 0"),
        ({"tournament": 0}, "tournament: expected 1 or more, got 0"),
        ({"crossover": 1.5}, "crossover: expected 0 to 1, got 1.5"),
        ({"crossover": float("nan")}, "crossover: expected 0 to 1, got nan"),
        ({"batch_size": 1}, "batch_size: expected 2 or more, got 1"),
        ({"proxy": "large"}, "proxy: expected 'small' or 'paper', got 'large'"),
        ({"seed": -1}, "seed: expected 0 or more, got -1"),
        ({"objectives": []}, "objectives: expected one indicator or more, got none"),
        ({"objectives": "parameters"}, "objectives: expected one indicator or more, got "),
        ({"objectives": [Pools(), Pools()]}, "objectives: expected different ones, got pools,"),
        ({"objectives": [Pools(), "speed"]}, "objectives: expected indicators and costs"),
        ({"objectives": [Pools(), 3]}, "objectives: expected indicators and costs"),
        ({"network": {"depth": 3}}, "network: "),
        ({"budget": {"speed": 3}}, "budget.speed: no such cost"),
        ({"sizes": {"depth": 3}}, "sizes"),
        ({"filter": "parameters"}, "filter: expected models.search.Constraint, got str"),
        ({"space": Still()}, "space: still has no mutate()"),
        ({"space": "nothing"}, "space: expected one of "),
    ],
)  # fmt: skip
def test_bad_arguments_are_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as raised:
        small(**arguments)
    assert "\n" not in str(raised.value)
