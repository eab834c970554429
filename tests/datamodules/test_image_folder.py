"""Folders of images, written by the tests and real ones."""

import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from torch.utils.data import DataLoader

from datamodules import ImageFolderDataModule


def write_image(path: Path, size: tuple[int, int] = (40, 30), seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Smooth, so that JPEG and resizing keep it recognisable.
    noise = np.random.default_rng(seed).integers(0, 256, (3, 3, 3), dtype=np.uint8)
    Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(path)


def stop_workers(loader: DataLoader) -> None:
    """As Lightning does after a fit; left to the garbage collector they take 5 s each to stop."""
    if loader._iterator is not None:
        loader._iterator._shutdown_workers()


def write_folder(root: Path, parts: dict[str, int], classes: int = 3) -> Path:
    for k, (part, count) in enumerate(parts.items()):
        for label in range(classes):
            for i in range(count):
                path = root / part / f"class{label}" / f"{i}.jpg"
                write_image(path, seed=100 * k + 10 * label + i)
    return root


def test_validation_is_a_share_of_train_where_there_is_no_val_folder(tmp_path: Path) -> None:
    data = ImageFolderDataModule(
        write_folder(tmp_path, {"train": 4, "test": 2}), image_size=16, validation=0.25
    )
    assert (data.num_classes, data.in_shape) == (3, (3, 16, 16))
    data.setup("fit")
    data.setup("test")
    assert [len(data.dataset(part)) for part in ("train", "val", "test")] == [9, 3, 6]
    assert data.dataset("val").labels.tolist() == [0, 1, 2]


def test_val_folder_is_used_and_serves_as_test(tmp_path: Path) -> None:
    data = ImageFolderDataModule(write_folder(tmp_path, {"train": 4, "val": 2}), image_size=16)
    data.setup("fit")
    data.setup("test")
    assert [len(data.dataset(part)) for part in ("train", "val", "test")] == [12, 6, 6]
    assert data.dataset("val").source is data.dataset("test").source


def test_train_val_and_test_folders(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"train": 4, "val": 2, "test": 1})
    data = ImageFolderDataModule(root, image_size=16)
    assert [len(data.dataset(part)) for part in ("train", "val", "test")] == [12, 6, 3]


def test_centre_of_the_short_side(tmp_path: Path) -> None:
    write_image(tmp_path / "train" / "a" / "0.png", (64, 32))
    data = ImageFolderDataModule(tmp_path, image_size=16, validation=0, classes=["a"])
    image, _ = data.dataset("train")[0]
    with Image.open(tmp_path / "train" / "a" / "0.png") as whole:
        square = whole.convert("RGB").resize((32, 16), Image.BILINEAR).crop((8, 0, 24, 16))
    assert torch.equal(image, torch.from_numpy(np.array(square)).permute(2, 0, 1))


def test_resize_leaves_a_margin(tmp_path: Path) -> None:
    write_image(tmp_path / "train" / "a" / "0.png", (64, 32))
    data = ImageFolderDataModule(tmp_path, image_size=16, resize=32, validation=0, classes=["a"])
    image, _ = data.dataset("train")[0]
    with Image.open(tmp_path / "train" / "a" / "0.png") as whole:
        centre = np.array(whole.convert("RGB"))[8:24, 24:40]
    assert torch.equal(image, torch.from_numpy(centre).permute(2, 0, 1))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_images_read_by_the_batch_are_those_in_memory(tmp_path: Path, num_workers: int) -> None:
    root = write_folder(tmp_path, {"train": 4, "test": 2})
    memory = ImageFolderDataModule(root, image_size=16, batch_size=5)
    streamed = ImageFolderDataModule(
        root, image_size=16, batch_size=5, in_memory=False, num_workers=num_workers
    )
    loader = streamed.train_dataloader()
    for ours, theirs in zip(memory.train_dataloader(), loader, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    stop_workers(loader)
    assert torch.equal(memory.probe(4)[0], streamed.probe(4)[0])


def test_auto_streams_what_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_folder(tmp_path, {"train": 4})
    kept = ImageFolderDataModule(root, image_size=16).dataset("train").source
    assert hasattr(kept, "images")
    monkeypatch.setattr("os.sysconf", lambda name: 1 if name == "SC_PHYS_PAGES" else 4096)
    streamed = ImageFolderDataModule(root, image_size=16).dataset("train").source
    assert not hasattr(streamed, "images")


@pytest.mark.parametrize(("processes", "kept"), [("1", [True, False]), ("2", [False, True])])
def test_auto_counts_processes_and_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: str, kept: list[bool]
) -> None:
    root = write_folder(tmp_path, {"train": 4, "test": 2})
    # A quarter holds 17 images of 3×16×16: training's 12, not the other 6 as well.
    monkeypatch.setattr("os.sysconf", lambda name: 17 if name == "SC_PHYS_PAGES" else 4 * 768)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    data = ImageFolderDataModule(root, image_size=16)
    assert [hasattr(data.dataset(p).source, "images") for p in ("train", "test")] == kept


@pytest.mark.parametrize(("devices", "kept"), [(1, True), (2, False)])
def test_auto_counts_the_processes_of_the_trainer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, devices: int, kept: bool
) -> None:
    root = write_folder(tmp_path, {"train": 4})
    monkeypatch.setattr("os.sysconf", lambda name: 17 if name == "SC_PHYS_PAGES" else 4 * 768)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    data = ImageFolderDataModule(root, image_size=16)
    data.trainer = pl.Trainer(accelerator="cpu", devices=devices, logger=False)
    assert hasattr(data.dataset("train").source, "images") is kept


@pytest.mark.parametrize("num_workers", [0, 2])
def test_resized_crop_depends_on_seed_and_epoch_alone(tmp_path: Path, num_workers: int) -> None:
    root = write_folder(tmp_path, {"train": 4})

    def epochs(workers: int, seed: int = 0) -> list[torch.Tensor]:
        data = ImageFolderDataModule(
            root, image_size=16, augment="resized_crop+flip", num_workers=workers, seed=seed
        )
        loader = data.train_dataloader()
        read = []
        for epoch in range(2):
            loader.sampler.set_epoch(epoch)
            ((images, _, indices),) = loader
            read.append(images[indices.argsort()])
        stop_workers(loader)
        return read

    first, second = epochs(num_workers)
    assert not torch.equal(first, second)
    again = epochs(0)
    assert torch.equal(first, again[0])
    assert torch.equal(second, again[1])
    clean = ImageFolderDataModule(root, image_size=16, augment="resized_crop").dataset("val")
    assert torch.equal(clean[0][0], ImageFolderDataModule(root, image_size=16).dataset("val")[0][0])


@pytest.mark.parametrize("in_memory", [True, False])
def test_corrupt_image_is_named_or_left_out(tmp_path: Path, in_memory: bool) -> None:
    root = write_folder(tmp_path, {"train": 4})
    bad = root / "train" / "class1" / "2.jpg"
    bad.write_bytes(bad.read_bytes()[:300])
    refused = ImageFolderDataModule(root, 16, in_memory=in_memory, validation=0)
    with pytest.raises(ValueError, match=r"class1/2.jpg: cannot be read .*corrupt: 'skip'"):
        list(refused.train_dataloader())
    lenient = ImageFolderDataModule(
        root, 16, in_memory=in_memory, validation=0, test=0, corrupt="skip"
    )
    with pytest.warns(UserWarning, match=r"class1/2.jpg: cannot be read .*left out"):
        labels = torch.cat([labels for _, labels, _ in lenient.train_dataloader()])
    assert labels.bincount().tolist() == [4, 3, 4]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(lenient.probe(11)[0]) == 11


def test_batch_without_a_readable_image(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"train": 2}, classes=1)
    (root / "train" / "class0" / "1.jpg").write_bytes(b"no image")
    data = ImageFolderDataModule(
        root,
        16,
        in_memory=False,
        validation=0,
        test=0,
        corrupt="skip",
        batch_size=1,
        classes=["class0"],
    )
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(ValueError, match="none of the 1 images of a batch can be read"),
    ):
        list(data.train_dataloader())
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(ValueError, match="count: 2, only 1 images can be read"),
    ):
        data.probe(2)


def test_class_without_a_readable_image(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"train": 2})
    for path in (root / "train" / "class1").iterdir():
        path.write_bytes(b"no image")
    data = ImageFolderDataModule(root, 16, corrupt="skip")
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(ValueError, match=r"no image of .*class1 can be read"),
    ):
        data.setup("fit")
    for path in (root / "train" / "class1").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"class1 holds no image"):
        data.setup("fit")


def test_folder_errors_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"root: no folder .*nowhere"):
        ImageFolderDataModule(tmp_path / "nowhere", 16)
    (tmp_path / "train").mkdir()
    with pytest.raises(ValueError, match=r"root: .*train holds no class folder"):
        ImageFolderDataModule(tmp_path, 16)
    data = ImageFolderDataModule(write_folder(tmp_path, {"train": 2}), 16, test=0)
    with pytest.raises(FileNotFoundError, match=r"root: no folder .*val"):
        data.setup("test")
    write_image(tmp_path / "test" / "other" / "0.jpg")
    with pytest.raises(ValueError, match=r"test/other is no class of the training folder"):
        data.setup("test")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 0}, "image_size: 0"),
        ({"image_size": 16, "resize": 8}, "image_size: 16, expected 1 to resize=8"),
        ({"image_size": 16, "corrupt": "drop"}, "corrupt: 'drop'"),
        ({"image_size": 16, "in_memory": True, "augment": "resized_crop"}, "in_memory: True"),
        ({"image_size": 16, "std": (1.0, 0.0, 1.0)}, "mean, std: "),
    ],
)
def test_bad_arguments_are_named(
    tmp_path: Path, arguments: dict[str, object], message: str
) -> None:
    write_folder(tmp_path, {"train": 1})
    with pytest.raises(ValueError, match=message):
        ImageFolderDataModule(tmp_path, **arguments)


@pytest.mark.slow
@pytest.mark.real_data
def test_real_jpeg_folder(shared_data: Path, tmp_path: Path) -> None:
    with tarfile.open(shared_data / "cifar10-jpeg-12k.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    (train,) = tmp_path.rglob("train")
    data = ImageFolderDataModule(train.parent, image_size=32, validation=0)
    assert data.num_classes == 10
    assert len(data.dataset("train")) == 10_000
    assert len(data.dataset("test")) == 2_000
    images, _ = data.probe(2000)
    # CIFAR-10's statistics, seen through ImageNet's normalisation.
    mean = images.mean((0, 2, 3)) * torch.tensor(data.std) + torch.tensor(data.mean)
    torch.testing.assert_close(mean, torch.tensor([0.4914, 0.4822, 0.4465]), atol=0.02, rtol=0)


def test_one_class_is_nothing_to_tell_apart(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"train": 2}, classes=1)
    with pytest.raises(ValueError, match=r"^root: .* has one class folder, class0: expected two"):
        ImageFolderDataModule(root, 16)
