"""CIFAR-10 and CIFAR-100, read from the Python files of the public release."""

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torchvision.datasets import CIFAR10, CIFAR100
from torchvision.datasets.utils import extract_archive

from datamodules.base import ImageDataModule
from datamodules.dataset import MemorySource
from datamodules.download import fetch
from datamodules.files import staging, verify
from datamodules.safe_pickle import load_arrays


class _CIFARDataModule(ImageDataModule):
    in_shape = (3, 32, 32)
    release: ClassVar[type[CIFAR10]]
    """torchvision's class, for its file names, URL and checksums. Its reader is not used, since it
    calls plain `pickle.load`."""
    label_key: ClassVar[str]

    def __init__(
        self, root: str | os.PathLike[str] = "data", download: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(root, **kwargs)
        self.download = download

    @property
    def folder(self) -> Path:
        """Return the folder of the pickled batches."""
        return Path(self.root, self.release.base_folder)

    def prepare_data(self) -> None:
        names = [name for name, _ in self.release.train_list + self.release.test_list]
        if not self.download or all((self.folder / name).is_file() for name in names):
            return
        with staging(self.folder) as folder:
            archive = fetch([self.release.url], self.release.tgz_md5, folder, self.folder)
            extract_archive(str(archive), remove_finished=True)
            inner = folder / self.release.base_folder
            for file in inner.iterdir():
                file.rename(folder / file.name)
            inner.rmdir()

    def load(self, part: str) -> MemorySource:
        listed = self.release.train_list if part == "train" else self.release.test_list
        if not self.folder.is_dir():
            raise FileNotFoundError(f"root: no folder {self.folder} (download=True fetches it)")
        verify(self.folder, dict(listed))
        images, labels = zip(*(self._read(self.folder / name) for name, _ in listed), strict=True)
        return MemorySource(
            torch.from_numpy(np.concatenate(images)), torch.from_numpy(np.concatenate(labels))
        )

    def _read(self, path: Path) -> tuple[Any, Any]:
        batch = load_arrays(path)
        if not isinstance(batch, dict) or not {"data", self.label_key} <= batch.keys():
            raise ValueError(f"{path}: expected a dict with 'data' and {self.label_key!r}")
        data, labels = batch["data"], np.asarray(batch[self.label_key], dtype=np.int64)
        if getattr(data, "dtype", None) != np.uint8 or data.shape != (len(labels), 3072):
            raise ValueError(
                f"{path}: images of shape {np.shape(data)}, expected ({len(labels)}, 3072) of uint8"
            )
        return data.reshape(-1, *self.in_shape), labels


class CIFAR10DataModule(_CIFARDataModule):
    """60,000 photographs of 32×32 pixels in 10 classes (Krizhevsky, 2009), 50,000 to train on.

    `split="nasbench201"` trains on one half of the training images and validates on the other.

    Args:
        root: folder that holds `cifar-10-batches-py/`.
        download: fetch the files if they are not there.
    """

    num_classes = 10
    mean = (0.4914, 0.4822, 0.4465)
    std = (0.2470, 0.2435, 0.2616)
    classes = (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip
    halved = "train"
    release = CIFAR10
    label_key = "labels"


class CIFAR100DataModule(_CIFARDataModule):
    """60,000 photographs of 32×32 pixels in 100 classes (Krizhevsky, 2009), 50,000 to train on.

    `split="nasbench201"` trains on all training images and halves the test images into
    validation and test.

    Args:
        root: folder that holds `cifar-100-python/`.
        download: fetch the files if they are not there.
    """

    num_classes = 100
    mean = (0.5071, 0.4865, 0.4409)
    std = (0.2673, 0.2564, 0.2762)
    halved = "test"
    release = CIFAR100
    label_key = "fine_labels"
