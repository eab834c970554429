"""Every config in `configs/` starts, on small files in the real formats."""

import csv
import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import yaml
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from callbacks import RunRecord
from datamodules import CIFAR10DataModule, CIFAR100DataModule, DigitsDataModule, imagenet16
from lightning_app.cli import main
from models import SamplingSearch
from models.benchmarks.nasbench201 import ARCHITECTURE, COLUMNS
from models.spaces import SearchSpace, as_space

CONFIGS = Path(__file__).parents[1] / "configs"
N = 1600  # images to train on

SMALL = {
    "DagMLPClassifier": {"width": 16},
    "DagConvClassifier": {"width": 8},
    "DagSpaceClassifier": {"nodes": 3, "repeats": 1, "width": 8},
    "PruningSearch": {"repeats": 1, "batch_size": 2},
    "SamplingSearch": {"samples": 8, "batch_size": 2},
    "EvolutionSearch": {"evaluations": 2, "population": 2, "offspring": 1, "batch_size": 2},
    "StagedSearch": {"samples": 3},
    "NasBench201Space": {"sizes.channels": 2, "sizes.cells_per_stage": 1},
    "DartsSpace": {"sizes.channels": 2, "sizes.cells": 3},
    "VisionTransformerSpace": {},  # its sizes are those of the images
    "MobileNetSpace": {"sizes.reduction": 8},
    "TransNasMicroSpace": {"sizes.channels": 4},
    "NasBench101Space": {"sizes.channels": 8, "sizes.modules_per_stack": 1},
    "nds_amoeba": {"sizes.channels": 4, "sizes.cells": 3},
}
"""Arguments that make a model small enough to be tested on every change."""
SMALLER = {
    "rank/autoformer_tiny": ["model.init_args.network.patch_size=16"],
    "rank/nasbench101": ["model.init_args.network.channels=8"],
    "search/photos": ["model.init_args.budget.parameters=1e6", "data.init_args.image_size=16"],
    "train_mobilenet_folder": ["data.init_args.image_size=16", "data.init_args.resize=18"],
    "train_mobilenet_imagenet": ["data.init_args.image_size=32", "data.init_args.resize=36"],
    "train_photos": ["data.init_args.image_size=16"],
    "train_transformer_imagenet": [
        "data.init_args.image_size=32", "data.init_args.resize=36",
        "model.init_args.sizes.image_size=32",
    ],
}  # fmt: skip
"""Of single configs, by name."""


def write_mnist(root: Path, random: np.random.Generator) -> None:
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part, count in (("train", N), ("t10k", 20)):
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (folder / f"{part}-{kind}-ubyte").write_bytes(header + array.tobytes())


def write_cifar10(root: Path, random: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    release = CIFAR10DataModule.release
    folder = root / release.base_folder
    folder.mkdir(parents=True)
    for part in ("train_list", "test_list"):
        listed = []
        for name, _ in getattr(release, part):
            data = random.integers(0, 256, (N // 4, 3072), dtype=np.uint8)
            batch = {"data": data, "labels": (np.arange(N // 4) % 10).tolist()}
            content = pickle.dumps(batch, 2)
            (folder / name).write_bytes(content)
            listed.append([name, hashlib.md5(content, usedforsecurity=False).hexdigest()])
        monkeypatch.setattr(release, part, listed)


def write_cifar100(root: Path, random: np.random.Generator, monkeypatch: Any) -> None:
    release = CIFAR100DataModule.release
    folder = root / release.base_folder
    folder.mkdir(parents=True)
    for part, count in (("train_list", N), ("test_list", 20)):
        ((name, _),) = getattr(release, part)
        data = random.integers(0, 256, (count, 3072), dtype=np.uint8)
        batch = {"data": data, "fine_labels": (np.arange(count) % 100).tolist()}
        content = pickle.dumps(batch, 2)
        (folder / name).write_bytes(content)
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        monkeypatch.setattr(release, part, [[name, digest]])


def write_imagenet16(root: Path, random: np.random.Generator, monkeypatch: Any) -> None:
    digests = {}
    for name in imagenet16.MD5:
        data = random.integers(0, 256, (1000, 768), dtype=np.uint8)
        batch = {"data": data, "labels": (np.arange(1000) + 1).tolist(), "mean": random.random(768)}
        content = pickle.dumps(batch, 4)
        (root / name).write_bytes(content)
        digests[name] = hashlib.md5(content, usedforsecurity=False).hexdigest()
    monkeypatch.setattr(imagenet16, "MD5", digests)


def write_folder(root: Path, random: np.random.Generator) -> None:
    for part, count in (("train", 300), ("val", 8)):
        for i in range(count):
            path = root / part / f"class{i % 4}" / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)


def write_table(callback: dict[str, Any], space: SearchSpace) -> str:
    """Eight architectures with their accuracies; the table as `architectures` names it."""
    columns = list(callback.get("columns", COLUMNS).values())
    names = callback.get("architecture", ARCHITECTURE)
    names = [names] if isinstance(names, str) else names
    generator = torch.Generator().manual_seed(0)
    with Path(callback["path"]).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*names, *columns])
        for _ in range(8):
            text = space.format(space.random_architecture(generator))
            parts = [text] if len(names) == 1 else map(json.dumps, json.loads(text).values())
            writer.writerow([*parts, *(10 for _ in columns)])
    return f"{callback['path']}#{','.join(names)}"


def write_transformers(path: Path) -> None:
    """Eight networks, half of which have no accuracy on three of the datasets."""
    header = "embedding,depth,mlp_ratios,heads,cifar100,flowers,chaoyang,imagenet_in_supernet"
    rows = [
        f'192,{depth},"{[ratio] * depth}","{[heads] * depth}",{others},75.0'
        for depth in (12, 13)
        for ratio in (3.5, 4.0)
        for heads, others in ((3, ",,"), (4, "68.7,53.7,82.0"))
    ]
    path.write_text("\n".join([header, *rows, ""]))


@pytest.mark.usefixtures("command_line")
@pytest.mark.parametrize(
    "path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONFIGS))
)
def test_config_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A fast run has no loggers; what it would write is read back.
    board = TensorBoardLogger(tmp_path, "board")
    monkeypatch.setattr(
        RunRecord, "setup", lambda _, run, *__, **___: setattr(run, "loggers", [board])
    )
    random = np.random.default_rng(0)
    config = yaml.safe_load(path.read_text())
    match config["data"]["class_path"].rpartition(".")[2]:
        case "DigitsDataModule":
            pass
        case "MNISTDataModule":
            write_mnist(tmp_path, random)
        case "CIFAR10DataModule":
            write_cifar10(tmp_path, random, monkeypatch)
        case "CIFAR100DataModule":
            write_cifar100(tmp_path, random, monkeypatch)
        case "ImageNet16DataModule":
            write_imagenet16(tmp_path, random, monkeypatch)
        case "ImageFolderDataModule":
            write_folder(tmp_path, random)
        case other:
            pytest.fail(f"write small files for {other} here")
    changes = small(config, path)
    if path.name == "autoformer_tiny.yaml":
        write_transformers(tmp_path / "autoformer_tiny_sample.csv")
    elif path.parent.name == "rank":
        (callback,) = config["trainer"]["callbacks"]
        table = write_table(callback["init_args"], as_space(config["model"]["init_args"]["space"]))
        changes.append(f"--model.init_args.architectures={table}")
    fast = ["--trainer.fast_dev_run", "true", "--trainer.accelerator", "cpu"]
    main(["fit", "--config", str(path), *fast, *changes, f"--data.root={tmp_path}"])
    check_board(Path(board.log_dir), config, config["model"]["class_path"].rpartition(".")[2])


def small(config: dict[str, Any], path: Path) -> list[str]:
    """Arguments by which a config runs within a second."""
    model, given = config["model"]["class_path"].rpartition(".")[2], config["model"]["init_args"]
    space = given.get("space", "").rpartition(".")[2]
    sizes = SMALL.get(model, {}) | (SMALL[space] if "sizes" in given else {})
    changes = [f"model.init_args.{name}={value}" for name, value in sizes.items()]
    if model.endswith("Classifier"):
        changes.append("data.init_args.batch_size=4")
    if "num_workers" in config["data"].get("init_args", {}):
        changes.append("data.init_args.num_workers=0")
    for callback in config["trainer"].get("callbacks", []):
        if "probe_size" in callback.get("init_args", {}) or "NTK" in callback["class_path"]:
            changes.append(f"callbacks.{callback['class_path'].rpartition('.')[2]}.probe_size=3")
    changes += SMALLER.get(str(path.relative_to(CONFIGS).with_suffix("")), [])
    return [f"--{change}" for change in changes]


def check_board(folder: Path, config: dict[str, Any], model: str) -> None:
    """What a run left for TensorBoard names it, and its pictures are small and all different."""
    events = EventAccumulator(str(folder), {"images": 0}).Reload()
    record = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    given = plugin_data_pb2.HParamsPluginData.FromString(record).session_start_info.hparams
    assert given["model"].string_value == model
    assert given["seed_everything"].number_value == config["seed_everything"]
    tags = events.Tags()
    trained = model.endswith("Classifier") and model != "DagSpaceClassifier"
    assert {"train/loss", "costs/parameters"} <= {*tags["scalars"]} or not trained
    drawn = {tag.split("/")[0] for tag in tags["images"]}
    for tag in tags["images"]:
        shown = events.Images(tag)
        assert len({one.encoded_image_string for one in shown}) == len(shown), tag
        if tag.startswith(IN_A_TILE):
            assert all(one.width <= 480 and one.height <= 800 for one in shown), tag
    callbacks = {one["class_path"] for one in config["trainer"].get("callbacks", ())}
    assert "topology" in drawn or "callbacks.TopologyMonitor" not in callbacks
    assert "front" in drawn or "callbacks.FrontMonitor" not in callbacks
    assert "search" in drawn or model not in ("SamplingSearch", "StagedSearch", "EvolutionSearch")


IN_A_TILE = ("topology", "search", "front", "ntk", "nngp")


RITUAL = """
trainer:
  max_epochs: -1
  strategy:
    class_path: lightning_app.strategy.SearchStrategy
  use_distributed_sampler: false
  num_sanity_val_steps: 0
  log_every_n_steps: 1
  logger:
    class_path: pytorch_lightning.loggers.TensorBoardLogger
    init_args:
      save_dir: runs
      name: ritual
      default_hp_metric: false
  callbacks:
    - class_path: callbacks.SearchProgressBar
    - class_path: pytorch_lightning.callbacks.ModelCheckpoint
      init_args:
        save_last: true
"""


@pytest.mark.usefixtures("command_line")
def test_a_search_is_the_same_with_and_without_its_trainer_s_settings() -> None:
    """From a short config, from one that says all, and from Python."""
    config = str(CONFIGS / "search" / "sampling_digits.yaml")
    small = ["--model.samples", "8", "--model.batch_size", "4", "--model.filter", "null"]
    small += ["--model.block_size", "4", "--trainer.accelerator", "cpu"]
    main(["fit", "--config", config, *small])
    Path("ritual.yaml").write_text(RITUAL)
    main(["fit", "--config", config, "--config", "ritual.yaml", *small])
    search = SamplingSearch(
        DigitsDataModule(), "nasbench201", samples=8, batch_size=4, block_size=4
    )
    logger = TensorBoardLogger("runs", "python")
    trainer = pl.Trainer(accelerator="cpu", max_epochs=-1, logger=logger, enable_progress_bar=False)
    trainer.fit(search)
    found = []
    for name in ("sampling_digits", "ritual", "python"):
        run = Path("runs", name, "version_0")
        assert (run / "checkpoints" / "last.ckpt").exists()
        result = json.loads((run / "architecture.json").read_text())
        del result["seconds"]
        found.append(result)
    assert found[0] == found[1] == found[2]


@pytest.mark.usefixtures("command_line")
def test_a_search_leaves_a_checkpoint_callback_as_it_was_asked_for() -> None:
    config = str(CONFIGS / "search" / "sampling_digits.yaml")
    small = ["--model.samples", "4", "--model.batch_size", "4", "--model.filter", "null"]
    callback = ["--trainer.callbacks", "ModelCheckpoint", "--trainer.callbacks.save_last", "false"]
    main(["fit", "--config", config, *small, *callback])
    assert [path.name for path in Path("runs").rglob("*.ckpt")] == ["epoch=0-step=4.ckpt"]


def test_the_paper_s_settings() -> None:
    for name in ("dag_mlp_mnist", "dag_mlp_cifar10"):
        config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
        arguments = config["model"]["init_args"]
        # SGD, learning rate 1e-5, no momentum or decay: the classifier's default
        assert "optimizer" not in arguments
        assert arguments["width"] == 1024
        assert config["data"]["init_args"]["batch_size"] == 128
        assert "augment" not in config["data"]["init_args"]
