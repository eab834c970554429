"""Any DataModule predicts the images of a folder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from torch import Tensor

from datamodules import CIFAR10DataModule, DigitsDataModule, ImageFolderDataModule
from datamodules.folder_source import FolderSource


class Grey(pl.LightningModule):
    """Hands back the images."""

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        return batch


def predict(data: pl.LightningDataModule) -> Tensor:
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    return torch.cat(trainer.predict(Grey(), datamodule=data))


def write(folder: Path, names: list[str], size: int = 16) -> None:
    random = np.random.default_rng(0)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(path)


@pytest.mark.parametrize(
    "names", [["b.png", "a.png"], ["x/b.png", "y/z/a.png"], ["c.png", "x/a.png"]]
)
def test_a_plain_folder_and_a_tree(tmp_path: Path, names: list[str]) -> None:
    write(tmp_path, names)
    (tmp_path / "notes.txt").write_text("no image")
    data = CIFAR10DataModule("nowhere", predict_folder=tmp_path, batch_size=1)
    images = predict(data)
    assert data.predicted() == sorted(names)
    assert images.shape == (2, 3, 32, 32)
    source = FolderSource(tmp_path, None, 32, 32, "raise", 0)
    pixels, _ = source.fetch(torch.arange(2), None)
    assert torch.equal(images, data.normalise(pixels))
    assert data.classes[3] == "cat"


def test_grey_images_for_a_grey_network(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    data = DigitsDataModule(predict_folder=str(tmp_path))
    expected = data.normalise(torch.from_numpy(pixels)[None, None])
    assert torch.equal(predict(data), expected)


def test_images_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path / "train", ["cat/1.png", "dog/1.png"])
    write(tmp_path / "new", ["a.png", "c.png"])
    (tmp_path / "new" / "b.png").write_text("no image")
    arguments = {"image_size": 8, "predict_folder": tmp_path / "new"}
    with pytest.raises(ValueError, match=r"new/b\.png: cannot be read"):
        predict(ImageFolderDataModule(tmp_path, **arguments))
    data = ImageFolderDataModule(tmp_path, corrupt="skip", **arguments)
    with pytest.warns(UserWarning, match="left out"):
        assert len(predict(data)) == 2
    assert data.predicted() == ["a.png", "c.png"]
    assert list(data.classes) == ["cat", "dog"]


def test_class_names_without_training_images(tmp_path: Path) -> None:
    write(tmp_path, ["a.png"])
    half = (0.5, 0.5, 0.5)
    data = ImageFolderDataModule(
        "nowhere", 8, mean=half, std=half, classes=["cat", "dog"], predict_folder=tmp_path
    )
    assert (data.num_classes, list(data.classes)) == (2, ["cat", "dog"])
    assert len(predict(data)) == 1


def test_test_images_have_names_too(tmp_path: Path) -> None:
    write(tmp_path / "train", ["cat/1.bmp", "dog/1.bmp"])
    write(tmp_path / "test", ["cat/1.png", "dog/1.png", "dog/2.png"])
    for in_memory in (True, False):
        data = ImageFolderDataModule(tmp_path, 8, in_memory=in_memory)
        predict(data)
        assert data.predicted() == ["cat/1.png", "dog/1.png", "dog/2.png"]
    digits = DigitsDataModule()
    predict(digits)
    assert digits.predicted() == [str(i) for i in range(len(digits.dataset("test")))]


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="predict_folder: no folder nowhere"):
        predict(DigitsDataModule(predict_folder="nowhere"))
    with pytest.raises(ValueError, match=r"predict_folder: .* holds no image"):
        predict(DigitsDataModule(predict_folder=tmp_path))
