"""`predictions.csv`."""

import csv
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.utils.data import DataLoader

from callbacks import PredictionWriter
from datamodules import DigitsDataModule


class Probabilities(pl.LightningModule):
    """Class 7 for every image."""

    def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return torch.eye(10)[[7] * len(batch)] * 0.75


def trainer(folder: Path) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        logger=False,
        default_root_dir=folder,
        enable_progress_bar=False,
        callbacks=[PredictionWriter()],
    )


def rows(folder: Path, *args: Any, **kwargs: Any) -> list[list[str]]:
    trainer(folder).predict(Probabilities(), *args, **kwargs)
    assert not list(folder.glob("*.tmp"))
    with (folder / "predictions.csv").open() as file:
        return list(csv.reader(file))


@pytest.mark.parametrize(
    ("classes", "name"), [((), "7"), ([f"no. {i}" for i in range(10)], "no. 7")]
)
def test_a_line_per_image(tmp_path: Path, classes: Any, name: str) -> None:
    data = DigitsDataModule(batch_size=100)
    data.classes = classes
    header, *lines = rows(tmp_path, datamodule=data)
    assert header == ["image", "class", "class_index", "probability", "unsure"]
    assert [line[0] for line in lines] == [str(i) for i in range(359)]
    assert {tuple(line[1:]) for line in lines} == {(name, "7", "0.75", "")}


def test_images_of_somebody_else_s_loader_have_numbers(tmp_path: Path) -> None:
    _, *lines = rows(tmp_path, DataLoader(torch.zeros(5, 1), 2))
    assert lines == [[str(i), "7", "7", "0.75", ""] for i in range(5)]


def test_predictions_of_many_networks_are_refused(tmp_path: Path) -> None:
    class Many(Probabilities):
        def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:
            return torch.ones(len(batch), 3, 10)

    with pytest.raises(MisconfigurationException, match=r"got \(359, 3, 10\) of Many"):
        trainer(tmp_path).predict(Many(), datamodule=DigitsDataModule())


def test_the_line_follows_the_progress_bar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callbacks.prediction_writer.rank_zero_info", lambda text: print(text))
    writer = trainer(tmp_path)
    shown = pl.Trainer(
        accelerator="cpu", logger=False, default_root_dir=tmp_path, callbacks=writer.callbacks[:1]
    )
    shown.predict(Probabilities(), DataLoader(torch.zeros(5, 1), 2))
    said = capsys.readouterr().out
    path = tmp_path / "predictions.csv"
    assert said.endswith(f"\n5 predictions written to {path}, 0 of them unsure\n")
