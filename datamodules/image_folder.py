"""Any set of images in class folders: a folder of photos, or ImageNet-1k."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor

from datamodules.augmentation import BATCH_STEPS
from datamodules.base import ImageDataModule, Part
from datamodules.dataset import ImageSource, MemorySource, SplitDataset
from datamodules.folder_listing import class_folders, first_copies, images_by_class
from datamodules.folder_source import FolderSource, short_side
from datamodules.photo_report import photo_report, write_split
from datamodules.photo_split import digest, mean_and_std, split_copies, typical_size

Channels = tuple[float, float, float]
_LOOKED_AT = 200  # photos, for their size
_MEASURED = 10_000  # photos, for mean and std
_COMPARED = 100_000  # photos; of more, copies are not looked for


class ImageFolderDataModule(ImageDataModule):
    """RGB images in `<class>/…`, or in `train/<class>/…` beside `val/<class>/…`, `test/<class>/…`.

    Of a folder without parts, a share is held out for testing and another for validation, by class
    and seed. With a `train` folder, validation uses `val`, and testing `test`, or `val` where
    there is no `test`; what has no folder is held out of `train`. Copies of a file are never on two
    sides: those of a test or validation image are left out of training.

    The short side of an image is resized and the centre cut out; a photo's rotation (EXIF) is
    obeyed. Images that fit are decoded once, in parallel, and stay in memory; others are read batch
    by batch, by `num_workers` processes or, with none, by threads. A model sees no difference.

    Args:
        root: folder of the classes, or of the parts.
        image_size: height and width; by default the greatest of 32, 48, 64, 96 and 128 that the
            median photo reaches.
        resize: short side in pixels before the centre is cut out, at least `image_size`; by
            default the same. ImageNet's usual is 256 for an `image_size` of 224.
        test: share of the images held out for testing where no folder is, in [0, 1).
        in_memory: whether to keep the images; `auto`: those of a folder, if all that are
            kept by all processes of the machine (the trainer's devices there; without a trainer
            `LOCAL_WORLD_SIZE`) take at most a quarter of its memory.
        corrupt: what to do about images that cannot be read: `raise` an error after naming all of
            them, or `skip` them with a warning each.
        mean: per channel, of pixels in [0, 1]; by default that of the training images, of which
            checkpoints keep it.
        std: likewise.
        augment: as in every DataModule; moreover `resized_crop`, a random part of each image
            (8 % to 100 % of its area) resized, cut while reading: such images do not stay in
            memory. `resized_crop+flip` is ImageNet's usual augmentation; `photo` suits few photos.
        classes: names in the order of the labels; by default the folders. Predicting
            with them needs no training images.

    Raises:
        FileNotFoundError: there is no such folder, and no `classes` are given.
        ValueError: it holds no class folder, or an argument is out of range.
    """

    augmentations = (*BATCH_STEPS, "resized_crop")

    def __init__(
        self,
        root: str | os.PathLike[str],
        image_size: int | None = None,
        batch_size: int = 128,
        resize: int | None = None,
        test: float = 0.15,
        in_memory: bool | Literal["auto"] = "auto",
        corrupt: Literal["raise", "skip"] = "raise",
        mean: Channels | None = None,
        std: Channels | None = None,
        augment: str = "none",
        classes: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, batch_size, augment=augment, **kwargs)
        if corrupt not in ("raise", "skip"):
            raise ValueError(f"corrupt: {corrupt!r}, expected 'raise' or 'skip'")
        if not 0 <= test < 1:
            raise ValueError(f"test: {test}, expected a share in [0, 1)")
        if in_memory is True and "resized_crop" in self._steps:
            raise ValueError("in_memory: True, but resized_crop cuts each image anew: use 'auto'")
        if (mean is None) != (std is None):
            raise ValueError("mean, std: one is given; expected both or none")
        if mean is not None and (len(mean) != 3 or len(std or ()) != 3 or min(std or (0,)) <= 0):
            raise ValueError(f"mean, std: {mean}, {std}, expected three each, std above 0")
        self._has_parts = (Path(self.root) / "train").is_dir()
        self._pool = self._training_folder(Path(self.root))
        self.classes = class_folders(self._pool) if classes is None else classes
        self.num_classes = len(self.classes)
        if classes is None and self.num_classes < 2:
            raise ValueError(
                f"root: {self._pool} has one class folder, {self.classes[0]}: expected two or more"
            )
        if image_size is None:
            image_size = self._fitting_size()
        resize = image_size if resize is None else resize
        if not 1 <= image_size <= resize:
            raise ValueError(f"image_size: {image_size}, expected 1 to resize={resize}")
        self.in_shape = (3, image_size, image_size)
        self.mean = () if mean is None else tuple(mean)
        self.std = () if std is None else tuple(std)
        self.resize = resize
        self.test_share = test
        self.in_memory = in_memory
        self.corrupt = corrupt
        self._copies = 0
        self._folders: dict[str, FolderSource] = {}

    # Where the images of a part are ------------------------------------------------------------

    def _training_folder(self, root: Path) -> Path:
        if self._has_parts:
            return root / "train"
        for part in ("val", "test"):
            if (root / part).is_dir():
                raise FileNotFoundError(f"root: no folder {root / 'train'} beside {part}")
        return root

    def _has(self, part: str) -> bool:
        return self._has_parts and (self._pool.parent / part).is_dir()

    @property
    def _is_one_pool(self) -> bool:
        """Whether the test images come from among the others."""
        return self.test_share > 0 and not self._has("val") and not self._has("test")

    def load(self, part: str) -> ImageSource:
        folder = self._pool if part == "train" else self._pool.parent / part
        if part != "train" and not self._has(part):
            raise FileNotFoundError(
                f"root: no folder {folder}; put images there, or hold some out by test=0.15"
            )
        source = self.read_folder(folder, self.classes)
        self._folders[part] = source
        return source.in_memory() if self._keeps(part, len(source.labels)) else source

    def read_folder(self, folder: Path, classes: Sequence[str] | None = None) -> FolderSource:
        """Images below a folder, resized and cut like the others."""
        return FolderSource(folder, classes, self.in_shape[1], self.resize, self.corrupt, self.seed)

    def _keeps(self, part: str, count: int) -> bool:
        if part == "train" and "resized_crop" in self._steps:
            return False
        if self.in_memory != "auto":
            return self.in_memory
        kept = sum(len(s.labels) for s in self._sources.values() if isinstance(s, MemorySource))
        size = (kept + count) * torch.Size(self.in_shape).numel()
        # Every process of the machine keeps its own.
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        if self.trainer is not None:
            processes = self.trainer.num_devices  # without torchrun, nobody sets the variable
        return size * processes <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4

    def _source(self, part: str) -> ImageSource:
        return super()._source("val" if part == "test" and not self._has("test") else part)

    def _validation_source(self) -> str:
        return "val" if self._has("val") else "train"

    # Which images belong to a part -------------------------------------------------------------

    def dataset(self, part: Part) -> SplitDataset:
        if part != "predict" and part not in self._datasets and self._is_one_pool:
            source = self._source("train")
            first = self._first_copies(source)
            rest, test = split_copies(source.labels, first, self.test_share, self.seed)
            again = {index: i for i, index in enumerate(rest.tolist())}
            own = [again[first[index]] for index in again]
            train, val = split_copies(source.labels[rest], own, self.validation, self.seed)
            for name, indices in (("train", rest[train]), ("val", rest[val]), ("test", test)):
                self._add(name, source, indices)
        return super().dataset(part)

    def _divide(self, part: str) -> tuple[Tensor, Tensor]:
        if self.split != "seeded":
            return super()._divide(part)
        source = self._source(part)
        return split_copies(source.labels, self._first_copies(source), self.validation, self.seed)

    def _add(self, part: str, source: ImageSource, indices: Tensor) -> None:
        if part == "train" and self._has_parts:
            indices = self._without_held_out(source, indices)
        super()._add(part, source, indices)

    def _first_copies(self, source: ImageSource) -> list[int]:
        count = len(source.labels)
        if count > _COMPARED:
            return list(range(count))
        first = first_copies([self._pool / source.name(i) for i in range(count)])
        self._copies = sum(i != index for i, index in enumerate(first))
        return first

    def _without_held_out(self, source: ImageSource, indices: Tensor) -> Tensor:
        """Drop the copies of images that lie in the folders of other parts."""
        parts = [self._pool.parent / part for part in ("val", "test") if self._has(part)]
        held_out = [Path(p) for part in parts for p in images_by_class(part, self.classes).images]
        if not held_out or len(held_out) + len(indices) > _COMPARED:
            return indices
        own = [self._pool / source.name(i) for i in indices.tolist()]
        first = torch.tensor(first_copies([*held_out, *own]))[len(held_out) :]
        copies = first < len(held_out)
        if copies.any():
            name = source.name(int(indices[copies][0]))
            rank_zero_warn(
                f"root: {int(copies.sum())} images of {self._pool} are also in val or test, "
                f"{name} for one; left out of training"
            )
        if copies.all():
            raise ValueError(f"root: every image of {self._pool} is also in val or test")
        return indices[~copies]

    def setup(self, stage: str) -> None:
        super().setup(stage)
        if stage == "fit":
            rank_zero_info(self.report())
            self._write_split()

    def report(self) -> str:
        """Say in one paragraph what was found: classes, sizes, parts, and what is left out."""
        folder, labels = self._folders["train"], self._source("train").labels
        names: dict[str, Part] = {"training": "train", "validation": "val"}
        if self._is_one_pool:
            names["testing"] = "test"
        return photo_report(
            self._pool,
            labels.bincount(minlength=self.num_classes).tolist(),
            self.in_shape[1],
            {use: len(self.dataset(part)) for use, part in names.items()},
            folder.unreadable,
            folder.others,
            self._copies,
        )

    def _write_split(self) -> None:
        """Write `split.csv` in the run's folder, where the split is ours."""
        trainer = self.trainer
        if trainer is None or not self._is_one_pool or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        folder = trainer.log_dir  # on every rank
        if folder is not None and trainer.is_global_zero:
            parts = {part: self._datasets[part] for part in ("train", "val", "test")}
            write_split(Path(folder) / "split.csv", parts)

    # What follows from the photos --------------------------------------------------------------

    def _fitting_size(self) -> int:
        paths = images_by_class(self._pool, self.classes).images
        looked_at = map(short_side, paths[:: -(-len(paths) // _LOOKED_AT)])
        sides = [side for side in looked_at if side is not None]
        if not sides:
            raise ValueError(f"root: no image of {self._pool} can be read; give image_size")
        return typical_size(sides)

    def normalise(self, images: Tensor) -> Tensor:
        if not self.mean:
            data = self.dataset("train")
            looked_at = data.indices[:: -(-len(data) // _MEASURED)]
            chunks = torch.split(looked_at, 1000)
            self.mean, self.std = mean_and_std([data.source.fetch(c, None)[0] for c in chunks])
        return super().normalise(images)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps: mean, std, and a fingerprint of the photos' names."""
        if "train" not in self._sources:
            return {}
        return {"mean": list(self.mean), "std": list(self.std), "names": self._digest()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the mean and std that the model was trained with.

        Raises:
            ValueError: photos were added or removed, so that the split is another.
        """
        if "train" in self._sources and self._is_one_pool and state["names"] != self._digest():
            raise ValueError(
                f"root: images were added to {self._pool} or removed since the checkpoint was "
                "written, so that tested ones may have been trained on; restore them or train anew"
            )
        self.mean, self.std = tuple(state["mean"]), tuple(state["std"])
        self._affine = None

    def _digest(self) -> str:
        source = self._source("train")
        return digest([source.name(i) for i in range(len(source.labels))])
