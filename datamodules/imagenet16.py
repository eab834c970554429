"""ImageNet16: ImageNet at 16×16 pixels, with all its classes or the first 120, 150 or 200."""

import os
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning.utilities import rank_zero_info

from datamodules.base import ImageDataModule
from datamodules.dataset import MemorySource
from datamodules.files import verify
from datamodules.imagenet16_cache import build, is_whole, open_part

MD5 = {
    "train_data_batch_1": "27846dcaa50de8e21a7d1a35f30f0e91",
    "train_data_batch_2": "c7254a054e0e795c69120a5727050e3f",
    "train_data_batch_3": "4333d3df2e5ffb114b05d2ffc19b1e87",
    "train_data_batch_4": "1620cdf193304f4a92677b695d70d10f",
    "train_data_batch_5": "348b3c2fdbb3940c4e9e834affd3b18d",
    "train_data_batch_6": "6e765307c242a1b3d7d5ef9139b48945",
    "train_data_batch_7": "564926d8cbf8fc4818ba23d2faac7564",
    "train_data_batch_8": "f4755871f718ccb653440b9dd0ebac66",
    "train_data_batch_9": "bb6dd660c38c58552125b1a92f86b5d4",
    "train_data_batch_10": "8f03f34ac4b42271a294f91bf480f29b",
    "val_data": "3410e3017fdaefba8d5073aaa65e4bd6",
}
"""MD5 checksums of the files of the public release."""

_CLASS_COUNTS = (120, 150, 200, 1000)


class ImageNet16DataModule(ImageDataModule):
    """ImageNet at 16×16 pixels (Chrabaszcz et al., arXiv 1707.08819), of the first classes.

    The files are verified and turned into a compact cache once; later starts map it. The
    released validation images are the test split; `split="nasbench201"` halves them into
    validation and test, with all training images to train on.

    Args:
        root: folder that holds `train_data_batch_1` to `_10` and `val_data`.
        num_classes: 120, 150, 200 or 1000.
        cache_dir: folder of the cache; by default `root` or, if that cannot be written, the
            user's cache folder.

    Raises:
        FileNotFoundError: a file of the release is missing and there is no cache, or there is no
            `root` and no `cache_dir` is given.
        ValueError: a file has another md5; the message names both.
    """

    in_shape = (3, 16, 16)
    mean = (122.68 / 255, 116.66 / 255, 104.01 / 255)
    std = (63.22 / 255, 61.26 / 255, 65.09 / 255)
    halved = "test"

    def __init__(
        self,
        root: str | os.PathLike[str],
        num_classes: Literal[120, 150, 200, 1000] = 120,
        cache_dir: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)
        if num_classes not in _CLASS_COUNTS:
            raise ValueError(f"num_classes: {num_classes}, expected 120, 150, 200 or 1000")
        self.num_classes = num_classes
        self.cache_dir = cache_dir

    def prepare_data(self) -> None:
        folder, root = self._cache_folder(), Path(self.root)
        whole = is_whole(folder / self._cache_name)
        # Files may be removed once the cache is built.
        expected = {k: v for k, v in MD5.items() if not whole or (root / k).is_file()}
        folder.mkdir(parents=True, exist_ok=True)
        verify(root, expected, stamp=folder / "imagenet16-verified.json")
        if not whole:
            rank_zero_info(f"ImageNet16: building {folder / self._cache_name}, once")
            build(root, folder / self._cache_name, self.num_classes)

    def load(self, part: str) -> MemorySource:
        cache = self._cache_folder() / self._cache_name
        if not is_whole(cache):
            self.prepare_data()
        return open_part(cache, part)

    @property
    def _cache_name(self) -> str:
        return f"imagenet16-{self.num_classes}"

    def _cache_folder(self) -> Path:
        if self.cache_dir is not None:
            return Path(self.cache_dir).expanduser()
        root = Path(self.root)
        if not root.is_dir():
            raise FileNotFoundError(f"root: no folder {root}")
        if is_whole(root / self._cache_name) or os.access(root, os.W_OK):
            return root
        user = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        return user / "architecture-convergence"
