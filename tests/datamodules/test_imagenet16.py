"""ImageNet16 from files in the real format, small ones and some of full size."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules import ImageNet16DataModule, imagenet16, imagenet16_cache
from datamodules.imagenet16_cache import PART_FILES

NAMES = [*PART_FILES["train"], *PART_FILES["test"]]


def write_batch(path: Path, count: int, seed: int, protocol: int = 4) -> dict[str, object]:
    """As in the release: labels from 1 to 1000 in a list, and the mean image."""
    random = np.random.default_rng(seed)
    batch = {
        "data": random.integers(0, 256, (count, 768), dtype=np.uint8),
        "labels": random.permutation(np.arange(count) % 1000 + 1).tolist(),
        "mean": random.random(768),
    }
    path.write_bytes(pickle.dumps(batch, protocol))
    return batch


def expect(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sums = {
        name: hashlib.md5((root / name).read_bytes(), usedforsecurity=False).hexdigest()
        for name in NAMES
    }
    monkeypatch.setattr(imagenet16, "MD5", sums)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "imagenet16"
    folder.mkdir()
    for seed, name in enumerate(NAMES):
        write_batch(folder / name, 1000, seed)
    expect(folder, monkeypatch)
    return folder


def opened(root: Path, **kwargs: object) -> ImageNet16DataModule:
    data = ImageNet16DataModule(root, validation=0, **kwargs)
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    return data


@pytest.mark.parametrize("num_classes", [120, 150, 200, 1000])
def test_keeps_the_first_classes(root: Path, num_classes: int) -> None:
    data = opened(root, num_classes=num_classes)
    assert data.num_classes == num_classes
    batches = [pickle.loads((root / name).read_bytes()) for name in NAMES]  # noqa: S301
    for part, chosen in (("train", batches[:10]), ("test", batches[10:])):
        pixels = np.concatenate([batch["data"] for batch in chosen])
        labels = np.concatenate([batch["labels"] for batch in chosen])
        kept = labels <= num_classes
        source = data.dataset(part).source
        assert torch.equal(source.images.flatten(1), torch.from_numpy(pixels[kept]))
        assert torch.equal(source.labels, torch.from_numpy(labels[kept] - 1))


def test_nasbench201_halves_the_test_images(root: Path) -> None:
    data = ImageNet16DataModule(root, split="nasbench201")
    sizes = [len(data.dataset(part)) for part in ("train", "val", "test")]
    assert sizes == [1200, 60, 60]
    assert data.dataset("val").source is data.dataset("test").source


def test_later_start_reads_no_file_of_the_release(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(root)
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("verified again"))
    monkeypatch.setattr(pickle, "Unpickler", None)
    opened(root)


def test_files_removed_after_the_build_are_not_missed(root: Path) -> None:
    opened(root)
    for name in NAMES:
        (root / name).unlink()
    assert len(opened(root).dataset("train")) == 1200
    with pytest.raises(FileNotFoundError, match=r"root: no file .*train_data_batch_1"):
        opened(root, num_classes=150)


@pytest.mark.parametrize("built", [False, True])
def test_changed_file_is_named_with_both_sums(root: Path, built: bool) -> None:
    if built:
        opened(root)
    path = root / "train_data_batch_7"
    path.write_bytes(path.read_bytes()[:-1])
    found = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    expected = imagenet16.MD5["train_data_batch_7"]
    message = rf"train_data_batch_7: changed or truncated, md5 {found}, expected {expected}"
    with pytest.raises(ValueError, match=message):
        opened(root)


def test_interrupted_build_leaves_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("datamodules.imagenet16_cache._write_part", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            opened(root)
    assert sorted(path.name for path in root.iterdir() if path.is_dir()) == []
    assert len(opened(root).dataset("train")) == 1200


def _interrupted(paths: list[Path], folder: Path, *_: object) -> None:
    (folder / "train_images.u8").write_bytes(b"half")
    raise KeyboardInterrupt


def test_damaged_cache_is_built_again(root: Path) -> None:
    opened(root)
    cache = root / "imagenet16-120"
    with open(cache / "train_images.u8", "r+b") as file:
        file.truncate(1000)
    assert len(opened(root).dataset("train")) == 1200
    (cache / "manifest.json").write_text(json.dumps({"format": 0, "shapes": {}}))
    assert len(opened(root).dataset("train")) == 1200


def test_cache_that_another_node_has_just_made_is_kept(root: Path) -> None:
    opened(root)
    cache = root / "imagenet16-120"
    before = {path: path.stat().st_ino for path in [cache, *cache.iterdir()]}
    imagenet16_cache.build(root, cache, 120)
    assert {path: path.stat().st_ino for path in [cache, *cache.iterdir()]} == before
    assert [path for path in root.iterdir() if path.is_dir()] == [cache]


def test_read_only_root(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by file modes, which do not stop a test that root runs.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    before = sorted(root.iterdir())
    assert len(opened(root).dataset("train")) == 1200
    assert sorted(root.iterdir()) == before
    assert (tmp_path / "user" / "architecture-convergence" / "imagenet16-120").is_dir()
    monkeypatch.setattr(pickle, "Unpickler", None)
    opened(root)


def test_mistyped_root_is_named_though_there_is_a_cache_of_the_user(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    opened(root, cache_dir=tmp_path / "user" / "architecture-convergence")
    with pytest.raises(FileNotFoundError, match=r"root: no folder .*imagnet16"):
        opened(tmp_path / "imagnet16")


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([1], "expected a dict with 'data' and 'labels'"),
        (
            {"data": np.zeros((2, 3072), np.uint8), "labels": [1, 2]},
            r"images of shape \(2, 3072\), expected \(2, 768\) of uint8",
        ),
        (
            {"data": np.zeros((2, 768), np.uint8), "labels": [0, 2]},
            r"labels in \[0, 2\], expected 1 to 1000",
        ),
    ],
)
def test_unfit_content_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch, batch: object, message: str
) -> None:
    (root / "val_data").write_bytes(pickle.dumps(batch))
    expect(root, monkeypatch)
    with pytest.raises(ValueError, match=rf"val_data: {message}"):
        opened(root)


def test_class_count_is_checked(root: Path) -> None:
    with pytest.raises(ValueError, match="num_classes: 100, expected 120, 150, 200 or 1000"):
        ImageNet16DataModule(root, num_classes=100)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads its memory from /proc")
def test_a_build_holds_one_file_at_a_time(tmp_path: Path) -> None:
    """A fifth of the release: little more in memory than one of its ten files."""
    for seed, name in enumerate(NAMES):
        write_batch(tmp_path / name, 25_000, seed)
    # A process of its own, whose peak is the build's.
    run = [sys.executable, __file__, str(tmp_path)]
    measured = json.loads(subprocess.check_output(run, text=True).splitlines()[-1])
    assert measured["images"] == 250_000
    assert measured["extra_bytes"] < 4 * 25_000 * 768


def _measure(root: Path) -> None:
    imagenet16.MD5 = {name: hashlib.md5((root / name).read_bytes()).hexdigest() for name in NAMES}  # noqa: S324

    def peak() -> int:
        status = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(dict(line.split(":", 1) for line in status)["VmHWM"].split()[0])

    # Forget the peak of the imports, and of the process that this one was forked from.
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    ImageNet16DataModule(root, 1000).prepare_data()
    extra = peak() - before
    images = ImageNet16DataModule(root, 1000, validation=0).dataset("train").source.images
    print(json.dumps({"images": len(images), "extra_bytes": extra}))


if __name__ == "__main__":
    _measure(Path(sys.argv[1]))
