"""MNIST, read from the files of the public release."""

import os
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.datasets import MNIST
from torchvision.datasets.utils import extract_archive

from datamodules.base import ImageDataModule
from datamodules.dataset import MemorySource
from datamodules.download import fetch
from datamodules.files import staging

_FILES = {"train": "train", "test": "t10k"}


class MNISTDataModule(ImageDataModule):
    """70,000 handwritten digits of 28×28 pixels (LeCun et al., 1998), 60,000 to train on.

    Args:
        root: folder that holds `MNIST/raw/`, as torchvision lays it out.
        download: fetch the files if they are not there.
    """

    num_classes = 10
    in_shape = (1, 28, 28)
    mean = (0.1307,)
    std = (0.3081,)

    def __init__(
        self, root: str | os.PathLike[str] = "data", download: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(root, **kwargs)
        self.download = download

    @property
    def folder(self) -> Path:
        """Return the folder of the raw files."""
        return Path(self.root) / "MNIST" / "raw"

    def prepare_data(self) -> None:
        names = [Path(name).stem for name, _ in MNIST.resources]
        if not self.download or all((self.folder / name).is_file() for name in names):
            return
        with staging(self.folder) as folder:
            for name, md5 in MNIST.resources:
                urls = [mirror + name for mirror in MNIST.mirrors]
                extract_archive(str(fetch(urls, md5, folder, self.folder)))

    def load(self, part: str) -> MemorySource:
        images, labels = (
            read_idx(self.folder / f"{_FILES[part]}-{kind}-ubyte")
            for kind in ("images-idx3", "labels-idx1")
        )
        if labels.ndim != 1:
            raise ValueError(
                f"{self.folder}: {part} labels of shape {tuple(labels.shape)}, expected one axis"
            )
        if images.shape != (len(labels), *self.in_shape[1:]):
            raise ValueError(
                f"{self.folder}: {part} images of shape {tuple(images.shape)} for {len(labels)} "
                f"labels, expected ({len(labels)}, 28, 28)"
            )
        return MemorySource(images[:, None], labels.long())


def read_idx(path: Path) -> Tensor:
    """Read an array of bytes in the IDX format.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not of that format, or its length contradicts its header.
    """
    if not path.is_file():
        raise FileNotFoundError(f"root: no file {path} (download=True fetches it)")
    content = path.read_bytes()
    rank = content[3] if len(content) > 3 else 0
    if content[:3] != b"\0\0\x08" or len(content) < 4 + 4 * rank:
        raise ValueError(f"{path}: not an IDX file of bytes")
    shape = np.frombuffer(content, ">u4", rank, offset=4).tolist()
    data = np.frombuffer(content, np.uint8, offset=4 + 4 * rank)
    if len(data) != prod(shape):
        raise ValueError(f"{path}: truncated, {len(data)} bytes of data, expected {prod(shape)}")
    return torch.from_numpy(data.copy()).view(shape)
