"""What a run was: hyper-parameters, metrics to compare by, charts; once per run."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import yaml
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import plugin_data_pb2
from torch import nn

from callbacks import NTKMonitor, RunRecord, TopologyMonitor
from datamodules import DigitsDataModule
from models import ArchitectureClassifier, DagMLPClassifier, SamplingSearch
from models.indicators import Parameters


def fit(folder: Path, module: Any, *callbacks: Any, version: Any = None, **kwargs: Any) -> Any:
    """Fit for two epochs; gives the trainer and what was written."""
    data = None if hasattr(module, "images") else DigitsDataModule(batch_size=512)
    ckpt_path = kwargs.pop("ckpt_path", None)
    logger = TensorBoardLogger(folder, version=version, default_hp_metric=False)
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=logger,
        callbacks=[RunRecord(), *callbacks],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        log_every_n_steps=1,
        **{"max_epochs": 2} | kwargs,
    )
    trainer.fit(module, data, ckpt_path=ckpt_path)
    logger.finalize("success")
    return trainer, EventAccumulator(logger.log_dir, {"scalars": 0, "tensors": 0}).Reload()


def classifier(dag: str = "2_21_112", lr: float = 0.05) -> DagMLPClassifier:
    def sgd(parameters: Any) -> Any:
        return torch.optim.SGD(parameters, lr=lr)

    return DagMLPClassifier(dag, (1, 8, 8), 10, width=4, optimizer=sgd)


def search(samples: int = 4) -> SamplingSearch:
    small = {"channels": 2, "cells_per_stage": 1}
    return SamplingSearch(
        DigitsDataModule(), "nasbench201", samples=samples, indicator=Parameters(),
        batch_size=2, block_size=2, network=small, sizes=small,
    )  # fmt: skip


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run without monitors: the trainer and what was written."""
    return fit(tmp_path_factory.mktemp("plain"), classifier(lr=0.25))


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory) -> EventAccumulator:
    """What a run with monitors has written."""
    monitors = NTKMonitor(4), TopologyMonitor()
    return fit(tmp_path_factory.mktemp("monitored"), classifier(), *monitors)[1]


def recorded(events: EventAccumulator, tag: str) -> Any:
    """One of the HPARAMS tab's records."""
    content = events.SummaryMetadata(f"_hparams_/{tag}").plugin_data.content
    return plugin_data_pb2.HParamsPluginData.FromString(content)


def layout_of(events: EventAccumulator) -> dict[str, list[str]]:
    (event,) = events.Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    charts = [chart for category in layout.category for chart in category.chart]
    return {chart.title: list(chart.multiline.tag) for chart in charts}


def test_hyper_parameters_in_the_file_and_in_the_tab(plain: Any) -> None:
    trainer, events = plain
    written = yaml.safe_load(Path(trainer.log_dir, "hparams.yaml").read_text())
    assert (
        written.items()
        >= {
            "model": "DagMLPClassifier",
            "dag": "2_21_112",
            "width": 4,
            "optimizer": "SGD",
            "lr": 0.25,
            "data": "DigitsDataModule",
            "data.batch_size": 512,
        }.items()
    )
    assert not {"num_classes", "in_shape", "data.num_workers"} & written.keys()
    started = recorded(events, "session_start_info").session_start_info.hparams
    assert started["dag"].string_value == "2_21_112"
    assert set(started) == set(written)


def test_the_tab_compares_by_scalars_that_are_there_and_none_is_logged_twice(
    monitored: EventAccumulator,
) -> None:
    metrics = recorded(monitored, "experiment").experiment.metric_infos
    names = [metric.name.tag for metric in metrics]
    shown_at_once = [
        "val/accuracy",
        "effective_depth",
        "effective_width",
        "ntk/log10_condition_number_at_start",
        "ntk/log10_condition_number",
    ]
    assert names[:5] == shown_at_once
    scalars = set(monitored.Tags()["scalars"])
    assert set(names) - scalars == {"test/accuracy"}  # which a test after the fit logs
    assert not any(tag.startswith("hp") for tag in scalars)
    first = monitored.Scalars("ntk/log10_condition_number")[0].value
    (start,) = monitored.Scalars("ntk/log10_condition_number_at_start")
    assert (start.step, start.value) == (0, first)


def test_metrics_of_monitors_that_are_not_there_are_not_named(plain: Any) -> None:
    _, events = plain
    metrics = recorded(events, "experiment").experiment.metric_infos
    assert not any(m.name.tag.startswith(("ntk", "effective")) for m in metrics)
    assert layout_of(events).keys() == {"accuracy", "loss"}


def test_charts_of_what_belongs_together(monitored: EventAccumulator) -> None:
    assert layout_of(monitored) == {
        "accuracy": ["val/accuracy", "train/accuracy"],
        "loss": ["val/loss", "train/loss"],
        "extreme eigenvalues": ["ntk/lambda_max", "ntk/lambda_min"],
        "depth and width": ["effective_depth", "effective_width"],
    }


def test_costs_are_those_that_the_module_says_or_its_parameters(plain: Any, tmp_path: Path) -> None:
    module = ArchitectureClassifier(
        "nasbench201",
        "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
        (1, 8, 8),
        10,
        {"channels": 2, "cells_per_stage": 1},
    )
    _, events = fit(tmp_path, module, limit_train_batches=1, max_epochs=1)
    found = {name: events.Scalars(f"costs/{name}")[0].value for name in module.cost._asdict()}
    assert found == module.cost._asdict()
    _, events = plain
    count = sum(p.numel() for p in classifier().parameters())
    assert events.Scalars("costs/parameters")[0].value == count


def test_a_search_s_settings_and_what_it_found(tmp_path: Path) -> None:
    module = search()
    trainer, events = fit(tmp_path, module, max_epochs=-1)
    written = yaml.safe_load(Path(trainer.log_dir, "hparams.yaml").read_text())
    assert written.items() >= {"model": "SamplingSearch", "samples": 4, "seed": 0}.items()
    assert written["space"] == "nasbench201"
    assert written["indicator.class"] == "Parameters"
    result = module.result()
    (cell,) = result["depth_width"].values()
    expected = {**result["costs"], **cell, "evaluations": 4}
    found = {name: events.Scalars(f"found/{name}")[0].value for name in expected}
    assert found == pytest.approx(expected)


def test_a_resume_in_the_same_folder_records_nothing_again(tmp_path: Path) -> None:
    trainer, _ = fit(tmp_path, classifier(), version="run", max_epochs=1)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = {"max_epochs": 2, "ckpt_path": tmp_path / "a.ckpt"}
    _, events = fit(tmp_path, classifier(), version="run", **again)
    assert len(events.Scalars("costs/parameters")) == 1
    assert len(events.Tensors("custom_scalars__config__")) == 1
    _, events = fit(tmp_path, classifier(), version="another", **again)
    assert len(events.Scalars("costs/parameters")) == 1


def test_a_finished_search_that_is_resumed_finds_nothing_again(tmp_path: Path) -> None:
    trainer, _ = fit(tmp_path, search(), version="run", max_epochs=-1)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = {"max_epochs": -1, "ckpt_path": tmp_path / "a.ckpt"}
    _, events = fit(tmp_path, search(), version="run", **again)
    assert len(events.Scalars("found/evaluations")) == 1


class Foreign(pl.LightningModule):
    """None of ours, with attributes of names that ours have."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 10)
        self.images = torch.zeros(1)
        self.cost = 3.0
        self.settings = lambda: "loud"

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return nn.functional.cross_entropy(self.layer(batch[0].flatten(1)), batch[1])

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), lr=torch.tensor(0.01))


def test_any_module(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path, default_hp_metric=False)
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=1, logger=logger, callbacks=[RunRecord()],
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip
    trainer.fit(Foreign(), DigitsDataModule(batch_size=512))
    written = yaml.safe_load(Path(logger.log_dir, "hparams.yaml").read_text())
    assert (written["model"], written["optimizer"]) == ("Foreign", "AdamW")
    assert written["lr"] == pytest.approx(0.01)
