"""CIFAR from small files in the real format."""

import hashlib
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules import CIFAR10DataModule, CIFAR100DataModule, ImageDataModule

MODULES = [CIFAR10DataModule, CIFAR100DataModule]
N = 200  # images in each of the files


def write_release(
    root: Path, module: type[ImageDataModule], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Write all files of the release and have their sums expected."""
    release, random = module.release, np.random.default_rng(0)
    folder = root / release.base_folder
    folder.mkdir(parents=True)
    for part in ("train_list", "test_list"):
        listed = []
        for name, _ in getattr(release, part):
            batch = {
                "data": random.integers(0, 256, (N, 3072), dtype=np.uint8),
                module.label_key: (np.arange(N) % module.num_classes).tolist(),
            }
            (folder / name).write_bytes(pickle.dumps(batch, 2))
            listed.append([name, md5(folder / name)])
        monkeypatch.setattr(release, part, listed)
    return folder


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def rewrite(folder: Path, batch: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace CIFAR-10's test file by another one that is expected."""
    (folder / "test_batch").write_bytes(pickle.dumps(batch))
    monkeypatch.setattr(
        CIFAR10DataModule.release, "test_list", [["test_batch", md5(folder / "test_batch")]]
    )


@pytest.mark.parametrize("module", MODULES)
def test_reads_what_the_files_say(
    tmp_path: Path, module: type[ImageDataModule], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_release(tmp_path, module, monkeypatch)
    data = module(tmp_path, validation=0)
    data.setup("fit")
    data.setup("test")
    first = pickle.loads((folder / module.release.train_list[0][0]).read_bytes())  # noqa: S301
    image, label = data.dataset("train")[17]
    assert image.flatten().tolist() == first["data"][17].tolist()
    assert label == first[module.label_key][17]
    assert len(data.dataset("train")) == N * len(module.release.train_list)
    assert len(data.dataset("test")) == N


def test_nasbench201_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = ("train", "val", "test")
    for module, sizes in zip(MODULES, ((500, 500, 200), (200, 100, 100)), strict=True):
        write_release(tmp_path, module, monkeypatch)
        data = module(tmp_path, split="nasbench201")
        assert tuple(len(data.dataset(part)) for part in parts) == sizes
        shared = "train" if module is CIFAR10DataModule else "test"
        assert data.dataset("val").source is data.dataset(shared).source
        both = torch.cat([data.dataset("val").indices, data.dataset(shared).indices])
        assert sorted(both.tolist()) == list(range(len(data.dataset("val").source.labels)))


def test_published_index_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for module, names in zip(MODULES, (("train", "valid"), ("xtest", "xvalid")), strict=True):
        write_release(tmp_path, module, monkeypatch)
        part = "train" if module is CIFAR10DataModule else "test"
        rest = [i for i in range(1000 if part == "train" else N) if i not in (0, 7)]
        path = tmp_path / "split.txt"
        path.write_text(
            json.dumps({names[0]: ["int", [*map(str, rest)]], names[1]: ["int", ["0", "7"]]})
        )
        data = module(tmp_path, split="nasbench201", split_file=path)
        with caplog.at_level("INFO"):
            data.setup("fit")
        assert f"index list {path}: {len(rest)} images" in caplog.text
        assert data.dataset(part).indices.tolist() == rest
        assert data.dataset("val").indices.tolist() == [0, 7]
    seeded = CIFAR100DataModule(tmp_path, split="nasbench201", seed=3)
    with caplog.at_level("INFO"):
        seeded.setup("fit")
    assert "split nasbench201 by seed 3: 100 images of test kept, 100 for validation" in caplog.text


@pytest.mark.parametrize(
    ("module", "lists", "found"),
    [
        (
            CIFAR10DataModule,
            {"train": [*range(999)], "valid": [1000]},
            "999 \\+ 1 images of 'train'",
        ),
        (CIFAR10DataModule, {"train": [0, 2], "valid": [1]}, "2 \\+ 1 images of 'train'"),
        (CIFAR10DataModule, {"train": [*range(1000)], "valid": [1000]}, "1000 \\+ 1 images"),
        # Other datasets' lists.
        (CIFAR10DataModule, {"xtest": [*range(N)], "xvalid": []}, "200 \\+ 0 images of 'test'"),
        (CIFAR100DataModule, {"train": [*range(N)], "valid": []}, "200 \\+ 0 images of 'train'"),
        (CIFAR100DataModule, {"xtest": [0], "xvalid": [1]}, "1 \\+ 1 images of 'test'"),
    ],
)
def test_lists_that_do_not_divide_the_images_are_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: type[ImageDataModule],
    lists: dict[str, list[int]],
    found: str,
) -> None:
    write_release(tmp_path, module, monkeypatch)
    path = tmp_path / "split.txt"
    path.write_text(json.dumps(lists))
    data = module(tmp_path, split="nasbench201", split_file=path)
    with pytest.raises(ValueError, match=rf"split_file: .*split.txt lists {found}.*to divide"):
        data.setup("fit")


def test_truncated_file_is_named_with_both_sums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_release(tmp_path, CIFAR10DataModule, monkeypatch)
    path, expected = folder / "data_batch_3", md5(folder / "data_batch_3")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        ValueError,
        match=f"data_batch_3: changed or truncated, md5 {md5(path)}, expected {expected}",
    ):
        CIFAR10DataModule(tmp_path).setup("fit")


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"root: no folder .*cifar-10.*download=True"):
        CIFAR10DataModule(tmp_path).setup("fit")


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([1, 2], "test_batch: expected a dict with 'data' and 'labels'"),
        ({"data": np.zeros((2, 3072), np.uint8)}, "test_batch: expected a dict"),
        (
            {"data": np.zeros((2, 3071), np.uint8), "labels": [0, 1]},
            r"test_batch: images of shape \(2, 3071\), expected \(2, 3072\) of uint8",
        ),
        ({"data": np.zeros((3, 3072), np.uint8), "labels": [0, 1]}, "test_batch: images of shape"),
        ({"data": np.zeros((2, 3072)), "labels": [0, 1]}, "test_batch: images of shape"),
        (
            {"data": np.zeros((2, 3072), np.uint8), "labels": [0, 10]},
            r"2 labels of 'test' lie in \[0, 10\], expected 0 to 9",
        ),
        ({"data": np.zeros((0, 3072), np.uint8), "labels": []}, "holds no image of 'test'"),
    ],
)
def test_unfit_content_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: object, message: str
) -> None:
    rewrite(write_release(tmp_path, CIFAR10DataModule, monkeypatch), batch, monkeypatch)
    with pytest.raises(ValueError, match=message):
        CIFAR10DataModule(tmp_path).setup("test")


def test_download_appears_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, web: tuple[Path, str]
) -> None:
    release = CIFAR10DataModule.release
    folder = write_release(web[0], CIFAR10DataModule, monkeypatch)
    archive = web[0] / release.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, release.base_folder)
    monkeypatch.setattr(release, "url", web[1] + release.filename)
    monkeypatch.setattr(release, "tgz_md5", "0" * 32)
    data = CIFAR10DataModule(tmp_path / "root", download=True)
    with pytest.raises(OSError, match=r"download: .*corrupted.*put the files under"):
        data.prepare_data()
    assert list((tmp_path / "root").iterdir()) == []
    monkeypatch.setattr(release, "tgz_md5", md5(archive))
    data.prepare_data()
    data.setup("fit")
    assert sorted(p.name for p in data.folder.iterdir() if p.name[0] != ".") == sorted(
        p.name for p in folder.iterdir()
    )
    archive.unlink()
    data.prepare_data()  # nothing left to do
