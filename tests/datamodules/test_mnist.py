"""MNIST from small files in the real format."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import MNIST

from datamodules import MNISTDataModule


def write_idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name, count in (("train", 40), ("t10k", 20)):
        raw = tmp_path / "MNIST" / "raw"
        write_idx(raw / f"{name}-images-idx3-ubyte", random.integers(0, 256, (count, 28, 28)))
        write_idx(raw / f"{name}-labels-idx1-ubyte", np.arange(count) % 10)
    return tmp_path


def test_reads_both_parts(root: Path) -> None:
    data = MNISTDataModule(root, validation=0.25)
    data.setup("fit")
    data.setup("test")
    assert [len(data.dataset(part)) for part in ("train", "val", "test")] == [30, 10, 20]
    image, label = data.dataset("test")[3]
    content = (root / "MNIST/raw/t10k-images-idx3-ubyte").read_bytes()[16:]
    assert image.flatten().tolist() == list(content[3 * 784 : 4 * 784])
    assert label == 3


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"root: no file .*train-images.*download=True"):
        MNISTDataModule(tmp_path).setup("fit")


def test_truncated_file_is_named(root: Path) -> None:
    path = root / "MNIST/raw/train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match=r"train-images.*truncated, 31355 bytes.*expected 31360"):
        MNISTDataModule(root).setup("fit")


def test_other_content_is_named(root: Path) -> None:
    (root / "MNIST/raw/train-images-idx3-ubyte").write_bytes(b"<html>")
    with pytest.raises(ValueError, match=r"train-images.*not an IDX file"):
        MNISTDataModule(root).setup("fit")


def test_wrong_shape_is_named(root: Path) -> None:
    write_idx(root / "MNIST/raw/train-labels-idx1-ubyte", np.arange(39) % 10)
    with pytest.raises(ValueError, match=r"train images of shape \(40, 28, 28\) for 39 labels"):
        MNISTDataModule(root).setup("fit")


@pytest.mark.parametrize(("shape", "found"), [((), r"\(\)"), ((40, 1), r"\(40, 1\)")])
def test_labels_of_another_rank_are_named(root: Path, shape: tuple[int, ...], found: str) -> None:
    write_idx(root / "MNIST/raw/train-labels-idx1-ubyte", np.zeros(shape))
    with pytest.raises(ValueError, match=rf"train labels of shape {found}, expected one axis"):
        MNISTDataModule(root).setup("fit")


def test_download_appears_whole(
    tmp_path: Path, root: Path, web: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = web
    resources = []
    for name, _ in MNIST.resources:
        content = gzip.compress((root / "MNIST" / "raw" / Path(name).stem).read_bytes())
        (folder / name).write_bytes(content)
        resources.append((name, hashlib.md5(content, usedforsecurity=False).hexdigest()))
    monkeypatch.setattr(MNIST, "mirrors", [address + "gone/", address])
    monkeypatch.setattr(MNIST, "resources", [*resources[:3], (resources[3][0], "0" * 32)])
    data = MNISTDataModule(tmp_path / "new", download=True)
    with pytest.raises(OSError, match=r"download: .*corrupted.*put the files under"):
        data.prepare_data()
    assert not data.folder.exists()
    monkeypatch.setattr(MNIST, "resources", resources)
    data.prepare_data()
    data.setup("test")
    assert len(data.dataset("test")) == 20


@pytest.mark.real_data
def test_real_files(shared_data: Path) -> None:
    data = MNISTDataModule(shared_data, validation=0)
    data.setup("fit")
    data.setup("test")
    assert len(data.dataset("train")) == 60_000
    assert len(data.dataset("test")) == 10_000
    pixels = data.dataset("train").source.images.double() / 255
    assert pixels.mean().item() == pytest.approx(data.mean[0], abs=1e-4)
    assert pixels.std().item() == pytest.approx(data.std[0], abs=1e-4)
    assert torch.equal(data.dataset("test").labels[:5], torch.tensor([7, 2, 1, 0, 4]))
