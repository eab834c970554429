"""A folder of photos as it comes: `<class>/…`, and whatever else lies there."""

import csv
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

from datamodules import ImageFolderDataModule
from datamodules.dataset import MemorySource
from datamodules.photo_augmentation import DRAWS, augment_photos
from datamodules.photo_split import mean_and_std, split_copies, typical_size
from models import SamplingSearch
from models.indicators import Parameters


def photo(path: Path, seed: int, size: tuple[int, int] = (40, 36), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty photos in each of three classes."""
    for label, name in enumerate(("ash", "birch", "oak")):
        for i in range(20):
            photo(tmp_path / "photos" / name / f"{i:02}.png", 100 * label + i)
    return tmp_path / "photos"


def contents(data: ImageFolderDataModule, part: str) -> list[str]:
    own = data.dataset(part)
    paths = [Path(data.root) / own.source.name(i) for i in own.indices.tolist()]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def test_a_plain_folder_is_split_by_class_and_seed(folder: Path) -> None:
    data = ImageFolderDataModule(folder, validation=0.1)
    parts = {part: data.dataset(part) for part in ("train", "val", "test")}
    assert {part: len(own) for part, own in parts.items()} == {"train": 46, "val": 5, "test": 9}
    assert parts["test"].labels.bincount().tolist() == [3, 3, 3]
    assert torch.cat([own.indices for own in parts.values()]).sort().values.tolist() == [*range(60)]
    again = ImageFolderDataModule(folder, validation=0.1)
    assert contents(again, "test") == contents(data, "test")
    other = ImageFolderDataModule(folder, validation=0.1, seed=1)
    assert contents(other, "test") != contents(data, "test")


def test_copies_of_a_photo_share_a_part(folder: Path) -> None:
    for i in range(20):
        shutil.copy(folder / "oak" / f"{i:02}.png", folder / "oak" / f"copy{i}.png")
    shutil.copy(folder / "ash" / "00.png", folder / "birch" / "wrong.png")
    data = ImageFolderDataModule(folder, test=0.3, validation=0.2)
    seen = {part: set(contents(data, part)) for part in ("train", "val", "test")}
    assert not seen["train"] & seen["test"]
    assert not seen["train"] & seen["val"]
    assert not seen["val"] & seen["test"]
    assert sum(len(data.dataset(part)) for part in ("train", "val", "test")) == 81
    data.setup("fit")
    assert "21 are copies of others" in data.report()


def test_copies_of_tested_photos_are_left_out_of_training(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "parts"
    shutil.copytree(folder, root / "train")
    (root / "test" / "oak").mkdir(parents=True)
    shutil.copy(folder / "oak" / "00.png", root / "test" / "oak" / "renamed.png")
    data = ImageFolderDataModule(root, validation=0)
    with pytest.warns(UserWarning, match=r"1 images of .*oak/00.png for one; left out of training"):
        data.setup("fit")
    names = [data.dataset("train").source.name(i) for i in data.dataset("train").indices]
    assert len(names) == 59
    assert "oak/00.png" not in names


def test_split_copies_is_the_stratified_split_without_copies() -> None:
    from datamodules.splits import stratified_split

    labels = torch.arange(50) % 5
    expected = stratified_split(labels, 0.2, 3)
    for ours, theirs in zip(split_copies(labels, range(50), 0.2, 3), expected, strict=True):
        assert torch.equal(ours, theirs)


def broken(folder: Path) -> dict[str, Path]:
    """Ten files of the kinds that lie among photos."""
    whole = photo(folder / "ash" / "whole.jpg", 900)
    cut = folder / "ash" / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[:400])
    text = folder / "birch" / "text.jpg"
    text.write_text("no image")
    (folder / "birch" / "notes.txt").write_text("no image")
    (folder / "oak" / ".DS_Store").write_bytes(b"\0")
    photo(folder / "oak" / "moving.gif", 901, mode="P")
    pixel = photo(folder / "oak" / "pixel.png", 902, (1, 1))
    photo(folder / "oak" / "grey.png", 903, mode="L")
    photo(folder / "oak" / "print.jpg", 904, mode="CMYK")
    return {"cut": cut, "text": text, "pixel": pixel}


def test_every_unreadable_file_is_named(folder: Path) -> None:
    files = broken(folder)
    with (
        pytest.warns(UserWarning, match="cannot be read") as warned,
        pytest.raises(ValueError, match=r"root: 3 of 66 images in .*corrupt: 'skip'"),
    ):
        ImageFolderDataModule(folder).setup("fit")
    lines = [str(one.message) for one in warned if "cannot be read" in str(one.message)]
    assert len(lines) == 3
    assert all(any(str(path) in line for line in lines) for path in files.values())


def test_unreadable_files_are_left_out_where_asked(folder: Path) -> None:
    broken(folder)
    data = ImageFolderDataModule(folder, corrupt="skip")
    with pytest.warns(UserWarning, match="left out"):
        data.setup("fit")
    parts = [len(data.dataset(part)) for part in ("train", "val", "test")]
    report = data.report()
    assert sum(parts) == 63
    assert "63 images in 3 classes" in report
    assert "Cannot be read and left out: ash/cut.jpg, birch/text.jpg, oak/pixel.png." in report
    assert "No images by their ending: birch/notes.txt, oak/.DS_Store, oak/moving.gif." in report


def test_an_empty_class_is_named(folder: Path) -> None:
    (folder / "elm").mkdir()
    with pytest.raises(ValueError, match=r"elm holds no image"):
        ImageFolderDataModule(folder)


def test_rotation_is_obeyed(tmp_path: Path) -> None:
    upright = photo(tmp_path / "a" / "upright.png", 0, (64, 48))
    with Image.open(upright) as image:
        turned = image.transpose(Image.Transpose.ROTATE_90)  # EXIF 6 turns it back
        exif = Image.Exif()
        exif[0x0112] = 6
        turned.save(tmp_path / "a" / "turned.png", exif=exif)
    data = ImageFolderDataModule(tmp_path, 32, resize=40, test=0, validation=0, classes=["a"])
    (first, _), (second, _) = data.dataset("train")[0], data.dataset("train")[1]
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("sides", "size"), [([20], 32), ([100, 100, 3024], 96), ([47], 32), ([500], 128)]
)
def test_image_size_follows_from_the_photos(sides: list[int], size: int) -> None:
    assert typical_size(sides) == size


def test_mean_and_std_are_those_of_the_training_images(folder: Path) -> None:
    data = ImageFolderDataModule(folder)
    images = torch.stack([image for image, _ in data.dataset("train")]).double() / 255
    normalised, _ = data.probe(10)
    assert data.in_shape == (3, 32, 32)
    torch.testing.assert_close(torch.tensor(data.mean), images.mean((0, 2, 3)).float())
    expected = images.transpose(0, 1).flatten(1).std(1, correction=0).float()
    torch.testing.assert_close(torch.tensor(data.std), expected)
    assert mean_and_std([torch.zeros(2, 3, 4, 4, dtype=torch.uint8)])[1] == (1 / 255,) * 3
    assert normalised.abs().max() < 5


def test_a_checkpoint_keeps_mean_and_std_and_refuses_another_split(folder: Path) -> None:
    data = ImageFolderDataModule(folder)
    data.probe(1)
    state = data.state_dict()
    there = ImageFolderDataModule(
        "nowhere", 32, classes=["ash", "birch", "oak"], predict_folder=folder
    )
    there.load_state_dict(state)
    assert (there.mean, there.std) == (data.mean, data.std)
    photo(folder / "oak" / "new.png", 905)
    changed = ImageFolderDataModule(folder)
    changed.setup("fit")
    with pytest.raises(ValueError, match=r"images were added .* or removed since"):
        changed.load_state_dict(state)


class Idle(pl.LightningModule):
    def training_step(self, batch: object, batch_idx: int) -> None:
        return None

    def configure_optimizers(self) -> None:
        return None


def test_the_split_is_written_down(folder: Path, tmp_path: Path) -> None:
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        limit_train_batches=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        default_root_dir=tmp_path / "run",
    )
    data = ImageFolderDataModule(folder)
    trainer.fit(Idle(), data)
    with open(tmp_path / "run" / "split.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    tested = [row["image"] for row in rows if row["part"] == "test"]
    own = data.dataset("test")
    assert tested == [own.source.name(i) for i in own.indices.tolist()]


@pytest.mark.parametrize("kind", ["search", "fit"])
def test_no_tested_photo_is_looked_at_before_the_test(
    folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch, quiet: dict[str, object]
) -> None:
    """By what the photos contain, copies included."""
    shutil.copy(folder / "ash" / "00.png", folder / "ash" / "again.png")
    looked_at: set[str] = set()
    fetch = MemorySource.fetch

    def recorded(source: MemorySource, indices: torch.Tensor, epoch: int | None) -> object:
        paths = [folder / source.name(i) for i in indices.tolist()]
        looked_at.update(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
        return fetch(source, indices, epoch)

    monkeypatch.setattr(MemorySource, "fetch", recorded)
    data = ImageFolderDataModule(folder, batch_size=8, test=0.4, validation=0.2)
    if kind == "search":
        sizes = {"channels": 2, "cells_per_stage": 1}
        search = SamplingSearch(
            data, "nasbench201", samples=2, indicator=Parameters(), batch_size=16, network=sizes
        )
        pl.Trainer(**quiet | {"max_epochs": -1}).fit(search)
    else:
        pl.Trainer(**quiet).fit(Idle(), data)
    tested = set(contents(data, "test"))
    assert len(looked_at) >= 16
    assert len(tested) >= 20
    assert not looked_at & tested


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"test": 1.0}, "test: 1.0, expected a share"),
        ({"test": -0.1}, "test: -0.1, expected a share"),
        ({"mean": (0.5, 0.5, 0.5)}, "mean, std: one is given"),
    ],
)
def test_bad_arguments(folder: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageFolderDataModule(folder, **arguments)


def test_a_test_folder_without_a_train_folder(folder: Path) -> None:
    (folder / "test").mkdir()
    with pytest.raises(FileNotFoundError, match=r"root: no folder .*train beside test"):
        ImageFolderDataModule(folder)


def test_a_folder_of_classes_may_be_called_train(folder: Path) -> None:
    """What lies beside it is not its business."""
    root = folder.rename(folder.with_name("train"))
    photo(root.with_name("test") / "other" / "0.png", 906)
    data = ImageFolderDataModule(root)
    assert len(data.dataset("test")) == 9
    assert list(data.classes) == ["ash", "birch", "oak"]


def test_photo_augmentation_is_per_image() -> None:
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (6, 3, 16, 12), generator=random, dtype=torch.uint8)
    draws = torch.rand(6, DRAWS, generator=random)
    seen = augment_photos(images, draws)
    for i in range(6):
        assert torch.equal(augment_photos(images[i : i + 1], draws[i : i + 1])[0], seen[i])
    assert seen.shape == images.shape
    assert not torch.equal(seen, images)


def test_photo_augmentation_of_no_change_is_the_image() -> None:
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (2, 3, 8, 8), generator=random, dtype=torch.uint8)
    # No flip, the whole area, ratio 1 and middle of everything else.
    still = torch.tensor([[0.9, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]]).expand(2, -1)
    assert (augment_photos(images, still).int() - images.int()).abs().max() <= 1
    mirrored = still.clone()
    mirrored[:, 0] = 0
    assert (augment_photos(images, mirrored).int() - images.flip(3).int()).abs().max() <= 1
