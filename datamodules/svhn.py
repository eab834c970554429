"""Street View House Numbers: the cropped digits of the public release."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.io import loadmat
from torchvision.datasets import SVHN

from datamodules.base import ImageDataModule
from datamodules.dataset import MemorySource
from datamodules.download import fetch
from datamodules.files import verify


class SVHNDataModule(ImageDataModule):
    """99,289 house-number digits of 32×32 pixels (Netzer et al., 2011), 73,257 to train on.

    The files' label 10 is the digit 0. Do not `flip`: a mirrored digit is not a digit.

    Args:
        root: folder that holds `train_32x32.mat` and `test_32x32.mat`.
        download: fetch the files if they are not there.
    """

    num_classes = 10
    in_shape = (3, 32, 32)
    mean = (0.4377, 0.4438, 0.4728)
    std = (0.1980, 0.2010, 0.1970)

    def __init__(
        self, root: str | os.PathLike[str] = "data", download: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(root, **kwargs)
        self.download = download

    def prepare_data(self) -> None:
        for part in ("train", "test"):
            url, name, md5 = SVHN.split_list[part]
            if not self.download or Path(self.root, name).is_file():
                continue
            Path(self.root).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".svhn-", dir=self.root) as folder:
                file = fetch([url], md5, Path(folder), Path(self.root))
                os.replace(file, Path(self.root, name))

    def load(self, part: str) -> MemorySource:
        _, name, md5 = SVHN.split_list[part]
        path = Path(self.root, name)
        if not path.is_file():
            raise FileNotFoundError(f"root: no file {path} (download=True fetches it)")
        verify(self.root, {name: md5})
        content = loadmat(path)
        if not {"X", "y"} <= content.keys():
            raise ValueError(f"{path}: expected the arrays X and y, found {sorted(content)}")
        images, labels = content["X"], content["y"].astype(np.int64).reshape(-1)
        if images.dtype != np.uint8 or images.shape != (32, 32, 3, len(labels)):
            raise ValueError(
                f"{path}: images of shape {images.shape}, expected (32, 32, 3, {len(labels)}) "
                "of uint8"
            )
        if len(labels) and not 1 <= labels.min() <= labels.max() <= 10:
            raise ValueError(
                f"{path}: labels in [{labels.min()}, {labels.max()}], expected 1 to 10"
            )
        in_order = np.ascontiguousarray(images.transpose(3, 2, 0, 1))
        return MemorySource(torch.from_numpy(in_order), torch.from_numpy(labels % 10))
