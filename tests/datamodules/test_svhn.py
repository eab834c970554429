"""SVHN from small files in the real format."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from torchvision.datasets import SVHN

from datamodules import SVHNDataModule


def write(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: str = "train",
    labels: tuple[int, ...] = tuple(range(1, 11)) * 4,
    shape: tuple[int, ...] = (32, 32, 3, 40),
) -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    url, name, _ = SVHN.split_list[part]
    savemat(root / name, {"X": images, "y": np.array(labels, np.uint8)[:, None]})
    md5 = hashlib.md5((root / name).read_bytes(), usedforsecurity=False).hexdigest()
    monkeypatch.setitem(SVHN.split_list, part, [url, name, md5])
    return images


def test_reads_what_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = write(tmp_path, monkeypatch)
    data = SVHNDataModule(tmp_path, validation=0)
    data.setup("fit")
    image, label = data.dataset("train")[9]
    assert image.permute(1, 2, 0).tolist() == images[..., 9].tolist()
    assert label == 0  # the file's 10
    assert data.dataset("train").labels[:9].tolist() == list(range(1, 10))


def test_missing_and_changed_files_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match=r"root: no file .*train_32x32.mat"):
        SVHNDataModule(tmp_path).setup("fit")
    write(tmp_path, monkeypatch)
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"train_32x32.mat: changed or truncated, md5 .* expected"):
        SVHNDataModule(tmp_path).setup("fit")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (32, 32, 1, 40)}, r"images of shape \(32, 32, 1, 40\), expected"),
        ({"shape": (32, 32, 3, 39)}, r"images of shape \(32, 32, 3, 39\), expected"),
        ({"labels": (0,) * 40}, r"labels in \[0, 0\], expected 1 to 10"),
        ({"labels": (11,) * 40}, r"labels in \[11, 11\], expected 1 to 10"),
    ],
)
def test_unfit_content_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, object], message: str
) -> None:
    write(tmp_path, monkeypatch, **arguments)
    with pytest.raises(ValueError, match=rf"train_32x32.mat: {message}"):
        SVHNDataModule(tmp_path).setup("fit")


def test_download_appears_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, web: tuple[Path, str]
) -> None:
    folder, address = web
    root = tmp_path / "root"
    for part in ("train", "test"):
        write(folder, monkeypatch, part)
        _, name, md5 = SVHN.split_list[part]
        monkeypatch.setitem(SVHN.split_list, part, [address + name, name, md5])
    data = SVHNDataModule(root, download=True)
    whole = SVHN.split_list["test"]
    monkeypatch.setitem(SVHN.split_list, "test", [*whole[:2], "0" * 32])
    with pytest.raises(OSError, match=r"download: .*corrupted.*put the files under"):
        data.prepare_data()
    assert [path.name for path in root.iterdir()] == ["train_32x32.mat"]
    monkeypatch.setitem(SVHN.split_list, "test", whole)
    data.prepare_data()
    data.setup("test")
    assert len(data.dataset("test")) == 40
