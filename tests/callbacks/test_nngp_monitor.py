"""What the NNGP monitor logs, against the kernel's own functions."""

import logging
import math
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.demos.boring_classes import BoringModel
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.optim import SGD
from torch.utils.data import DataLoader, TensorDataset

from callbacks import NNGPMonitor
from datamodules import DigitsDataModule
from models import DagMLPClassifier
from models.analysis.spectra import spectra_figure
from models.indicators.nngp import nngp_kernel, paper_bound
from models.topology import Dag


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


def classifier() -> DagMLPClassifier:
    torch.manual_seed(0)
    return DagMLPClassifier("2_21_112", (1, 8, 8), 10, width=8, optimizer=lambda p: SGD(p, lr=0.05))


def trainer(folder: Path, epochs: int = 1, **arguments: Any) -> pl.Trainer:
    return pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        **(
            {"logger": TensorBoardLogger(folder, name="", version="run"), "log_every_n_steps": 1}
            | arguments
        ),
    )


def logged(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder / "run"))
    events.Reload()
    return events


def test_logs_the_kernel_of_the_probes_once_before_training(tmp_path: Path) -> None:
    data = DigitsDataModule()
    trainer(tmp_path, 2, callbacks=[NNGPMonitor(probe_size=16, seed=3)]).fit(classifier(), data)
    dag, images = Dag.parse("2_21_112"), data.probe(16, 3)[0]
    eigenvalues = torch.linalg.eigvalsh(nngp_kernel(dag, images))
    expected = {
        "nngp/lambda_min": float(eigenvalues[0]),
        "nngp/lambda_max": float(eigenvalues[-1]),
        "nngp/log10_condition_number": math.log10(eigenvalues[-1] / eigenvalues[0]),
        "nngp/paper_bound": paper_bound(dag, images),
    }
    events = logged(tmp_path)
    assert {tag for tag in events.Tags()["scalars"] if "nngp" in tag} == set(expected)
    for tag, value in expected.items():
        (event,) = events.Scalars(tag)
        assert event.step == 0
        assert event.value == pytest.approx(value, rel=1e-5)
    (figure,) = events.Images("nngp/spectrum")
    assert figure.step == 0


def test_probes_come_from_the_training_set_where_no_datamodule_has_any(tmp_path: Path) -> None:
    data = TensorDataset(torch.randn(12, 1, 8, 8), torch.randint(10, (12,)))
    monitor = NNGPMonitor(probe_size=12)
    trainer(tmp_path, callbacks=[monitor]).fit(classifier(), DataLoader(data, batch_size=4))
    expected = paper_bound(Dag.parse("2_21_112"), data.tensors[0])  # in any order
    (event,) = logged(tmp_path).Scalars("nngp/paper_bound")
    assert event.value == pytest.approx(expected, rel=1e-5)


def test_training_is_not_changed_by_the_monitor(tmp_path: Path) -> None:
    weights = []
    for callbacks in ([], [NNGPMonitor(probe_size=8)]):
        model = classifier()
        trainer(tmp_path, callbacks=callbacks).fit(model, DigitsDataModule())
        weights.append(model.state_dict())
    torch.testing.assert_close(*weights, rtol=0, atol=0)


def test_a_resumed_fit_does_not_measure_again(tmp_path: Path) -> None:
    first = trainer(tmp_path / "first")
    first.fit(classifier(), DigitsDataModule())
    first.save_checkpoint(tmp_path / "one.ckpt")
    second = trainer(tmp_path / "second", 2, callbacks=[NNGPMonitor(probe_size=8)])
    second.fit(classifier(), DigitsDataModule(), ckpt_path=tmp_path / "one.ckpt", weights_only=True)
    assert not [tag for tag in logged(tmp_path / "second").Tags()["scalars"] if "nngp" in tag]


def test_singular_kernel_is_logged_as_infinite(tmp_path: Path) -> None:
    same = TensorDataset(torch.randn(1, 1, 8, 8).expand(4, -1, -1, -1), torch.zeros(4).long())
    trainer(tmp_path, callbacks=[NNGPMonitor(probe_size=4)]).fit(classifier(), DataLoader(same))
    (event,) = logged(tmp_path).Scalars("nngp/log10_condition_number")
    assert event.value == math.inf


def test_figure_has_positive_eigenvalues_in_units_of_their_mean() -> None:
    (axes,) = spectra_figure({"kernel": torch.tensor([-1e-9, 1.0, 2.0, 5.0])}).axes
    (line,) = axes.get_lines()
    assert list(line.get_xdata()) == [1, 2, 3]
    assert list(line.get_ydata()) == pytest.approx([2.5, 1.0, 0.5])


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
        (
            TwoCells("2_12", (1, 8, 8), 10, width=4),
            "TwoCells has no method topology.. that returns",
        ),
        (TwoInputs("2_12", (1, 8, 8), 10, width=4), "NNGPMonitor: dag must name one of its nodes"),
        (BoringModel(), "BoringModel has no method topology"),
    ],
)
def test_module_without_one_dag_is_refused(
    tmp_path: Path, model: pl.LightningModule, message: str
) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        trainer(tmp_path, callbacks=[NNGPMonitor()]).fit(model, DigitsDataModule())


def test_one_probe_is_refused() -> None:
    with pytest.raises(ValueError, match="probe_size: expected 2 or more, got 1"):
        NNGPMonitor(probe_size=1)


def test_more_probes_than_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="NNGPMonitor: probe_size: 5000, expected 1 to 12"):
        trainer(tmp_path, callbacks=[NNGPMonitor(probe_size=5000)]).fit(
            classifier(), DigitsDataModule()
        )
