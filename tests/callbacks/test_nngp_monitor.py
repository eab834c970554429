"""The NNGP kernel in the log: of which images, when, and of which modules."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.demos.boring_classes import BoringModel
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from callbacks import NNGPMonitor
from datamodules import DigitsDataModule
from models import DagMLPClassifier
from models.analysis.spectra import nngp_spectra


def classifier() -> DagMLPClassifier:
    torch.manual_seed(0)
    return DagMLPClassifier("2_21_112", (1, 8, 8), 10, width=8)


def logged(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def test_logs_once_before_training_and_not_on_resume(tmp_path: Path, quiet: dict[str, Any]) -> None:
    data = DigitsDataModule()
    first = TensorBoardLogger(tmp_path, name="", version="first")
    monitor = NNGPMonitor(probe_size=16, seed=3)
    trainer = pl.Trainer(**quiet | {"logger": first}, callbacks=[monitor])
    trainer.fit(classifier(), data)
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    expected, _ = nngp_spectra(classifier().dag, data.probe(16, 3)[0])
    events = logged(tmp_path / "first")
    tags = {f"nngp/{name}" for name in expected}
    assert {tag for tag in events.Tags()["scalars"] if tag.startswith("nngp")} == tags
    for name, value in expected.items():
        (event,) = events.Scalars(f"nngp/{name}")
        assert (event.step, event.value) == (0, pytest.approx(value, rel=1e-5))
    assert [figure.step for figure in events.Images("nngp/spectrum")] == [0]

    second = TensorBoardLogger(tmp_path, name="", version="second")
    trainer = pl.Trainer(**quiet | {"logger": second, "max_epochs": 2}, callbacks=[monitor])
    trainer.fit(classifier(), data, ckpt_path=tmp_path / "x.ckpt", weights_only=True)
    assert not [t for t in logged(tmp_path / "second").Tags()["scalars"] if t.startswith("nngp")]


def test_training_is_not_changed_by_the_monitor(tmp_path: Path, quiet: dict[str, Any]) -> None:
    weights = []
    for callbacks in ([], [NNGPMonitor(probe_size=8)]):
        model = classifier()
        logger = TensorBoardLogger(tmp_path)
        pl.Trainer(**quiet | {"logger": logger}, callbacks=callbacks).fit(model, DigitsDataModule())
        weights.append(model.state_dict())
    torch.testing.assert_close(*weights, rtol=0, atol=0)


class TwoCells(DagMLPClassifier):
    def topology(self) -> Any:
        return {"normal": self.dag, "reduction": self.dag}


class TwoInputs(DagMLPClassifier):
    def topology(self) -> Any:
        graph = self.dag.graph.copy()
        graph.graph["inputs"] = (0, 1)
        return graph


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (TwoCells("2_12", (1, 8, 8), 10, width=4), "TwoCells has no method topology.. that return"),
        (TwoInputs("2_12", (1, 8, 8), 10, width=4), "NNGPMonitor: dag must name one of its nodes"),
        (BoringModel(), "BoringModel has no method topology"),
    ],
)
def test_a_module_without_one_dag_is_refused(
    model: pl.LightningModule, message: str, quiet: dict[str, Any]
) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        pl.Trainer(**quiet, callbacks=[NNGPMonitor()]).fit(model, DigitsDataModule())


def test_one_probe_is_refused() -> None:
    with pytest.raises(ValueError, match="probe_size: expected 2 or more, got 1"):
        NNGPMonitor(probe_size=1)


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed", "bf16-true", "16-true"])
def test_every_precision_of_a_fit(tmp_path: Path, quiet: dict[str, Any], precision: Any) -> None:
    logger = TensorBoardLogger(tmp_path, name="", version="")
    arguments = quiet | {"logger": logger, "precision": precision}
    pl.Trainer(**arguments, callbacks=[NNGPMonitor(8)]).fit(classifier(), DigitsDataModule())
    assert [figure.step for figure in logged(tmp_path).Images("nngp/spectrum")] == [0]
