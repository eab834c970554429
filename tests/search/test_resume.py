"""The contract of checkpoints, to which every search is held."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from datamodules import DigitsDataModule
from models import EvolutionSearch, PruningSearch, SamplingSearch, StagedSearch
from models.indicators import Parameters, SynFlow
from models.search import Search, Stage
from models.spaces import NasBench201Space

Run = Callable[..., pl.Trainer]
Build = Callable[..., Search]
SPACE = NasBench201Space()
TINY: dict[str, Any] = {"network": {"channels": 1, "cells_per_stage": 1}, "batch_size": 4}


def pruning(**others: Any) -> Search:
    arguments = {"scores": [Parameters()], "repeats": 1, "batch_size": 4} | others
    return PruningSearch(DigitsDataModule(), SPACE, **arguments)


def sampling(**others: Any) -> Search:
    arguments = TINY | {"indicator": SynFlow(), "samples": 10, "block_size": 4} | others
    return SamplingSearch(DigitsDataModule(), SPACE, **arguments)


def staged(**others: Any) -> Search:
    stages = [Stage([Parameters()], keep=4, **TINY), Stage([SynFlow()], repeats=2, **TINY)]
    arguments: dict[str, Any] = {"stages": stages, "samples": 10, "block_size": 4} | others
    return StagedSearch(DigitsDataModule(), SPACE, **arguments)


def evolution(**others: Any) -> Search:
    arguments = TINY | {"objectives": SynFlow(), "population": 4, "offspring": 4} | others
    arguments = {"evaluations": 12, "sizes": TINY["network"]} | arguments
    return EvolutionSearch(DigitsDataModule(), SPACE, **arguments)


@pytest.fixture(params=[pruning, sampling, staged, evolution], ids=lambda build: build.__name__)
def build(request: pytest.FixtureRequest) -> Build:
    return request.param  # type: ignore[no-any-return]


def path_of(trainer: pl.Trainer) -> str:
    return str(trainer.checkpoint_callback.best_model_path)  # type: ignore[union-attr]


def test_a_resume_is_the_same_as_a_run_in_one_go(tmp_path: Path, run: Run, build: Build) -> None:
    whole, part, resumed = build(), build(), build()
    run(whole, tmp_path / "whole")
    path = path_of(run(part, tmp_path / "part", max_epochs=2, enable_checkpointing=True))
    assert not part.finished
    run(resumed, tmp_path / "part", ckpt_path=path)
    assert resumed.history == whole.history
    assert resumed.architecture == whole.architecture  # type: ignore[attr-defined]
    content = torch.load(path, weights_only=True)
    assert [json.loads(text) for text in content["search"]["rounds"]] == whole.history[:2]


def test_a_finished_search_does_nothing_and_says_so(tmp_path: Path, run: Run, build: Build) -> None:
    search, again = build(), build()
    trainer = run(search, tmp_path, enable_checkpointing=True)
    resumed = run(again, tmp_path / "again", ckpt_path=path_of(trainer))
    assert again.history == search.history
    assert resumed.global_step == trainer.global_step
    assert again.summary().startswith("had already finished; ")
    names = [path.name for path in tmp_path.glob("*.*") if path.is_file()]  # a front too
    assert "architecture.json" in names
    for name in names:
        assert (tmp_path / "again" / name).read_text() == (tmp_path / name).read_text()


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path, run: Run, build: Build) -> None:
    path = path_of(run(build(), tmp_path, max_epochs=1, enable_checkpointing=True))
    with pytest.raises(ValueError, match=r"ckpt_path: .* was written with seed=0, not 1"):
        run(build(seed=1), tmp_path, ckpt_path=path)


def test_a_checkpoint_of_other_images_is_refused(
    tmp_path: Path, run: Run, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = path_of(run(build(), tmp_path, max_epochs=1, enable_checkpointing=True))
    probe = DigitsDataModule.probe

    def negated(self: DigitsDataModule, count: int, seed: int) -> Any:
        images, labels = probe(self, count, seed)
        return -images, labels

    monkeypatch.setattr(DigitsDataModule, "probe", negated)
    with pytest.raises(ValueError, match=r"ckpt_path: .* were taken on other images"):
        run(build(), tmp_path, ckpt_path=path)


def test_a_checkpoint_of_another_kind_of_device_is_refused(
    tmp_path: Path, run: Run, build: Build
) -> None:
    path = path_of(run(build(), tmp_path, max_epochs=1, enable_checkpointing=True))
    content = torch.load(path, weights_only=True)
    assert content["search"]["device"] == "cpu"
    content["search"]["device"] = "cuda"
    torch.save(content, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match=r"ckpt_path: .* were taken on cuda"):
        run(build(), tmp_path, ckpt_path=tmp_path / "other.ckpt")
