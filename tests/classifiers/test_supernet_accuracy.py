"""Accuracy in a trained supernet as the score of a search."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from datamodules import DigitsDataModule
from lightning_app.cli import main
from models import ArchitectureClassifier, PruningSearch, SamplingSearch, SupernetAccuracy
from models.classifiers.supernet_classifier import SupernetClassifier
from models.indicators import EffectiveDepth, RankAggregate
from models.search import NetworkSource, draw_batch
from models.spaces import DartsSpace, NasBench201Space
from models.topology import NasBench201Cell

CONFIG = Path(__file__).parents[2] / "configs" / "search" / "sampling_digits.yaml"
SPACE = NasBench201Space()
SIZES = {"channels": 2, "cells_per_stage": 1}
CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|none~2|"


def run(model: pl.LightningModule, folder: Path, **kwargs: Any) -> pl.Trainer:
    path, data = kwargs.pop("ckpt_path", None), kwargs.pop("data", None)
    quiet = {
        "accelerator": "cpu",
        "logger": False,
        "default_root_dir": folder,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "max_epochs": -1,
    }
    trainer = pl.Trainer(**quiet | kwargs)
    trainer.fit(model, data, ckpt_path=path)
    return trainer


def train(path: Path, model: pl.LightningModule) -> Path:
    """A few steps, so that accuracies differ; its checkpoint."""
    fit = run(model, path.parent, max_steps=12, limit_val_batches=0, data=DigitsDataModule())
    fit.save_checkpoint(path)
    return path


def supernet(seed: int = 0) -> SupernetClassifier:
    return SupernetClassifier("nasbench201", (1, 8, 8), 10, SIZES, seed=seed)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return train(tmp_path_factory.mktemp("supernet") / "supernet.ckpt", supernet())


def search(checkpoint: Path, **kwargs: Any) -> SamplingSearch:
    arguments = {"indicator": SupernetAccuracy(str(checkpoint)), "batch_size": 200} | kwargs
    arguments = {"samples": 12, "block_size": 5} | arguments
    return SamplingSearch(DigitsDataModule(), SPACE, **arguments)


def plain_network(checkpoint: Path, cell: NasBench201Cell) -> nn.Module:
    """The cell's own network, into which the supernet's weights are copied one by one."""
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    network = SPACE.network(cell, 10, 1, **SIZES).train()
    weights = dict(network.named_parameters())
    for name, weight in weights.items():
        prefix, found, rest = name.partition(".operations.")
        if found:
            edge, _, rest = rest.partition(".")
            prefix = f"{prefix}.own.{edge}_{cell.operations[int(edge)]}."
        weight.data.copy_(state[f"network.{prefix}{rest}"])
    return network


def plain_score(checkpoint: Path, cell: NasBench201Cell, source: Any) -> float:
    images, labels = draw_batch(source, 200, 0)
    logits = plain_network(checkpoint, cell)(images)
    right = [int(row.argmax()) == label for row, label in zip(logits, labels.tolist(), strict=True)]
    return sum(right) / len(right)


def test_a_search_scores_as_the_cell_s_own_network_with_the_supernet_s_weights(
    checkpoint: Path, tmp_path: Path
) -> None:
    found = search(checkpoint)
    run(found, tmp_path)
    scores = found.scores_of("supernet_accuracy")
    assert len(set(scores.values())) > 1
    for text, score in scores.items():
        assert score == pytest.approx(plain_score(checkpoint, SPACE.parse(text), found.images))
    failed = [e for block in found.history for e in block["candidates"] if "error" in e]
    assert 0 < len(failed) == 12 - len(scores)
    assert all("leaves node" in entry["error"] for entry in failed)
    assert scores[str(found.architecture)] == max(scores.values())


def test_a_score_stands_alone(checkpoint: Path, tmp_path: Path) -> None:
    """It depends neither on what was scored before nor on a resume, nor does it use up a seed."""
    whole, blocks = search(checkpoint), search(checkpoint, block_size=3)
    for each in (whole, blocks):
        run(each, tmp_path)
    assert whole.scores_of("supernet_accuracy") == blocks.scores_of("supernet_accuracy")
    half = run(search(checkpoint), tmp_path, max_epochs=1, enable_checkpointing=True)
    resumed = search(checkpoint)
    run(resumed, tmp_path, ckpt_path=half.checkpoint_callback.best_model_path)
    assert resumed.history == whole.history


def test_one_of_several(checkpoint: Path, tmp_path: Path) -> None:
    parts = [SupernetAccuracy(str(checkpoint)), EffectiveDepth()]
    both = search(checkpoint, indicator=RankAggregate(parts), samples=4)
    run(both, tmp_path)
    alone = search(checkpoint, samples=4)
    run(alone, tmp_path)
    own = both.scores_of("supernet_accuracy")
    assert own == alone.scores_of("supernet_accuracy")
    assert own.keys() <= both.scores_of("effective_depth").keys()


def test_supernets_are_told_apart_by_their_files(checkpoint: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(checkpoint, tmp_path / "elsewhere.ckpt"))
    other = train(tmp_path / "other.ckpt", supernet(seed=1))
    cache = tmp_path / "scores.jsonl"
    counts = []
    for path in (checkpoint, copy, other):
        run(search(path, cache=str(cache)), tmp_path)
        counts.append(len(cache.read_text().splitlines()))
    assert 0 < counts[0] == counts[1] < counts[2]
    half = run(search(checkpoint), tmp_path, max_epochs=1, enable_checkpointing=True)
    with pytest.raises(ValueError, match=r"was written with indicator=.*SupernetAccuracy.*sha256"):
        run(search(other), tmp_path, ckpt_path=half.checkpoint_callback.best_model_path)
    digest = search(copy).settings()["indicator"]
    assert digest == search(checkpoint).settings()["indicator"]
    assert list(digest) == ["class", "sha256"]


# What is refused ----------------------------------------------------------------------------------


def test_files_that_are_no_supernet(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^checkpoint: no file .*none\.ckpt$"):
        SupernetAccuracy(str(tmp_path / "none.ckpt"))
    broken = tmp_path / "broken.ckpt"
    for content in (checkpoint.read_bytes()[:-2000], b"", b"hello"):
        broken.write_bytes(content)
        with pytest.raises(ValueError, match=r"^checkpoint: .* is damaged, or no checkpoint$"):
            SupernetAccuracy(str(broken))
    cell = ArchitectureClassifier("nasbench201", CELL, (1, 8, 8), 10, SIZES)
    with pytest.raises(ValueError, match=r"^checkpoint: .* is not of a SupernetClassifier$"):
        SupernetAccuracy(str(train(tmp_path / "cell.ckpt", cell)))


def test_supernets_of_something_else(checkpoint: Path, tmp_path: Path) -> None:
    score = SupernetAccuracy(str(checkpoint))
    assert isinstance(score, NetworkSource)
    with pytest.raises(ValueError, match=r"a supernet with space='nasbench201', the search has 'd"):
        SamplingSearch(DigitsDataModule(), DartsSpace(), indicator=score)
    with pytest.raises(ValueError, match=r"in_shape=\[1, 8, 8\], the search has \[3, 32, 32\]"):
        score.networks(SPACE, (3, 32, 32), 10)
    with pytest.raises(ValueError, match=r"num_classes=10, the search has 100"):
        score.networks(SPACE, (1, 8, 8), 100)
    content = torch.load(checkpoint, weights_only=True)
    content["supernet"]["sizes"] = {"channels": 3}
    torch.save(content, tmp_path / "wider.ckpt")
    with pytest.raises(ValueError, match=r"checkpoint: weights in .* do not fit: size mismatch"):
        search(tmp_path / "wider.ckpt")


def test_no_other_network_is_scored(checkpoint: Path, tmp_path: Path) -> None:
    pruning = PruningSearch(
        DigitsDataModule(), SPACE, scores=[SupernetAccuracy(str(checkpoint))], batch_size=8
    )
    with pytest.raises(ValueError, match="scores the trained supernet only, in a search that asks"):
        run(pruning, tmp_path)


def test_a_supernet_that_diverged_has_no_score(checkpoint: Path, tmp_path: Path) -> None:
    content = torch.load(checkpoint, weights_only=True)
    content["state_dict"]["network.head.4.bias"][0] = float("nan")
    torch.save(content, tmp_path / "diverged.ckpt")
    with pytest.raises(ValueError, match="logits are not finite: the supernet has diverged"):
        run(search(tmp_path / "diverged.ckpt"), tmp_path)


# The command line ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("command_line")
def test_search_by_one_process_and_two(checkpoint: Path) -> None:
    arguments = ["fit", "--config", str(CONFIG), "--model.indicator", "SupernetAccuracy"]
    arguments += ["--model.indicator.checkpoint", str(checkpoint), "--model.samples", "12"]
    arguments += ["--model.batch_size", "200", "--trainer.logger.init_args.name"]
    two = [sys.executable, "-m", "lightning_app", *arguments, "2", "--trainer.devices", "2"]
    subprocess.run(two, check=True)
    main([*arguments, "1"])
    paths = [next(Path("runs", devices).rglob("architecture.json")) for devices in ("1", "2")]
    one, two = (json.loads(path.read_text()) for path in paths)
    assert one | {"seconds": 0} == two | {"seconds": 0}
    assert one["settings"]["indicator"]["class"] == "SupernetAccuracy"
