"""Base class of the image DataModules: splits, loaders, device-side normalisation, probes."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor
from torch.utils.data import DataLoader

from datamodules.augmentation import BATCH_STEPS, Augmenter, parse_steps
from datamodules.dataset import Batch, EpochSampler, ImageSource, SplitDataset
from datamodules.folder_source import FolderSource
from datamodules.seeding import Stream, generator
from datamodules.splits import published_split, stratified_split

Part = Literal["train", "val", "test", "predict"]


class ImageDataModule(pl.LightningDataModule, ABC):
    """Serve uint8 images that are augmented and normalised on the device, and shuffled by seed.

    Loaders hand out `(images uint8, labels, indices)`; `on_after_batch_transfer` turns that, on
    the device, into what a model's step receives: normalised images (B, C, H, W), float32
    unless the trainer's precision is another, with int64 labels (B,), and for `predict` the images
    alone. Only training batches are augmented.
    The order of an epoch is a function of (seed, epoch), the augmentation of an image a function of
    (seed, epoch, image): neither depends on workers, ranks, the global random state or a resume.

    Args:
        root: folder of the data.
        batch_size: images per batch and process.
        validation: share of the training images held out for validation, in [0, 1), the same
            classes in the same mix; 0: no validation. Ignored where the split is published.
        split: `seeded`, or `nasbench201`: the published halves that results are compared on.
        split_file: published index list for `nasbench201`, of all images that are halved; without
            it the halves are seeded.
        seed: seed of split, order and augmentation, ≥ 0.
        augment: `none`, or steps joined by `+`: `crop` (pad by an eighth of the height, cut at
            random), `flip` (left to right), `cutout` (a square of half the height), `photo` (a
            turned part of the image in other light, `datamodules.photo_augmentation`).
        num_workers: processes that read ahead. 0 is fastest for images in memory.
        predict_folder: images to predict instead of the test images: all that lie in this folder
            or anywhere below it, resized to `in_shape` and normalised like the others.

    Attributes:
        num_classes: number of classes.
        in_shape: channels, height and width.
        mean: mean per channel of pixels in [0, 1] over this dataset's training images.
        std: standard deviation, likewise.
        classes: names by label; empty where they are not known.
    """

    num_classes: int
    in_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: Sequence[str] = ()

    augmentations: ClassVar[tuple[str, ...]] = BATCH_STEPS
    halved: ClassVar[Literal["train", "test"] | None] = None
    """The part that `nasbench201` halves; None: it publishes no split of this dataset."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        batch_size: int = 128,
        validation: float = 0.1,
        split: Literal["seeded", "nasbench201"] = "seeded",
        split_file: str | os.PathLike[str] | None = None,
        seed: int = 0,
        augment: str = "none",
        num_workers: int = 0,
        predict_folder: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        _check(batch_size >= 1, f"batch_size: {batch_size}, expected at least 1")
        _check(0 <= validation < 1, f"validation: {validation}, expected a share in [0, 1)")
        _check(
            split in ("seeded", "nasbench201"), f"split: {split!r}, expected seeded, nasbench201"
        )
        _check(seed >= 0, f"seed: {seed}, expected at least 0")
        _check(num_workers >= 0, f"num_workers: {num_workers}, expected at least 0")
        name = type(self).__name__
        published = split == "nasbench201"
        _check(not published or self.halved is not None, f"split: {name} has no nasbench201 split")
        _check(published or split_file is None, "split_file: only used with split='nasbench201'")
        self.save_hyperparameters(logger=False)
        # Not logged: Lightning refuses to where the model has another value of the same name.
        # Checkpoints are read with weights_only: no Path.
        self.save_hyperparameters(
            {k: os.fspath(v) if isinstance(v, os.PathLike) else v for k, v in self.hparams.items()},
            logger=False,
        )
        self.root = os.path.expanduser(root)
        self.batch_size = batch_size
        self.validation = validation
        self.split = split
        self.split_file = split_file
        self.seed = seed
        self.num_workers = num_workers
        self.predict_folder = predict_folder
        self._predicted: list[Tensor] = []
        self._steps = parse_steps(augment, self.augmentations)
        self._sources: dict[str, ImageSource] = {}
        self._datasets: dict[str, SplitDataset] = {}
        self._augment: Augmenter | None = None
        self._affine: tuple[Tensor, Tensor] | None = None

    @abstractmethod
    def load(self, part: str) -> ImageSource:
        """Open the images of `train`, `test` or, where the dataset has such images, `val`.

        Raises:
            FileNotFoundError: the files are missing; the message says how to get them.
            ValueError: a file has unexpected content; the message names it.
        """

    def setup(self, stage: str) -> None:
        if stage == "fit":
            self.dataset("train")
        self.dataset("val" if stage in ("fit", "validate") else self._tested(stage))

    def dataset(self, part: Part) -> SplitDataset:
        """Load the images of one split on first use; `val` is empty for `validation=0`."""
        if part not in self._datasets:
            shared = self._validation_source()
            if shared == "val" or part not in (shared, "val"):
                source = self._source(part)
                self._add(part, source, torch.arange(len(source.labels)))
            else:
                rest, held_out = self._divide(shared)
                self._add(shared, self._source(shared), rest)
                self._add("val", self._source(shared), held_out)
        return self._datasets[part]

    def train_dataloader(self) -> DataLoader[Batch]:
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader[Batch] | list[DataLoader[Batch]]:
        return self._loader("val") if len(self.dataset("val")) else []

    def test_dataloader(self) -> DataLoader[Batch]:
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[Batch]:
        """Load the test images, or those of `predict_folder`, in order.

        Lightning distributes them over ranks without repeating any.
        """
        self._predicted = []
        return self._loader(self._tested("predict"), sampled=False)

    def predicted(self) -> list[str]:
        """Return the images that this process has predicted, in order, by path or by number.

        Paths are relative to the folder. Images that could not be read are missing.
        """
        source = self.dataset(self._tested("predict")).source
        return [source.name(index) for part in self._predicted for index in part.tolist()]

    def read_folder(self, folder: Path, classes: Sequence[str] | None = None) -> FolderSource:
        """Open the images below a folder, resized to `in_shape`: of the given classes, or all."""
        channels, size, _ = self.in_shape
        return FolderSource(folder, classes, size, size, "raise", self.seed, channels)

    def _tested(self, stage: str) -> Part:
        return "predict" if stage == "predict" and self.predict_folder is not None else "test"

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Any:
        trainer = self.trainer
        assert trainer is not None  # only Lightning calls this hook
        images, labels = self.prepare(batch, trainer.current_epoch if trainer.training else None)
        # Lightning has set the precision of the batch already, when its images were still uint8.
        images = trainer.precision_plugin.convert_input(images)
        if trainer.predicting:
            self._predicted.append(batch[2])
        return images if trainer.predicting else (images, labels)

    def prepare(self, batch: Batch, epoch: int | None = None) -> tuple[Tensor, Tensor]:
        """Turn a batch of a loader into normalised images and labels, on its device.

        Args:
            batch: `(images, labels, indices)` from a loader.
            epoch: epoch whose augmentation to apply; None: do not augment.
        """
        images, labels, indices = batch
        if epoch is None or not self._steps & set(BATCH_STEPS):
            return self.normalise(images), labels
        if self._augment is None:
            count = len(self._source("train").labels)
            self._augment = Augmenter(self._steps, self.in_shape, count, self.seed)
        return self._augment(images, indices, epoch, self.normalise), labels

    def normalise(self, images: Tensor) -> Tensor:
        """Turn uint8 images (…, C, H, W) into float32 of about zero mean and unit variance.

        Raises:
            ValueError: images of another type.
        """
        if images.dtype != torch.uint8:
            raise ValueError(f"images: {images.dtype}, expected torch.uint8")
        if self._affine is None or self._affine[0].device != images.device:
            mean = torch.tensor(self.mean, dtype=torch.float64).view(-1, 1, 1)
            std = torch.tensor(self.std, dtype=torch.float64).view(-1, 1, 1)
            scale, shift = 1 / (255 * std), -mean / std
            self._affine = (scale.float().to(images.device), shift.float().to(images.device))
        scale, shift = self._affine
        return images.to(torch.float32).mul_(scale).add_(shift)

    def probe(self, count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Draw a fixed set of training images without replacement; they are never augmented.

        The set is a function of the split, `count` and `seed`; it does not depend on the random
        state, the workers or the rank.

        Returns:
            Normalised float32 images (count, C, H, W) and int64 labels (count,), on the CPU.

        Raises:
            ValueError: the training split has fewer images.
        """
        data = self.dataset("train")
        _check(1 <= count <= len(data), f"count: {count}, expected 1 to {len(data)} images")
        order = torch.randperm(len(data), generator=generator(seed, Stream.PROBE))
        images, indices = data.source.fetch(data.indices[order[:count]], None)
        # Reached only where unreadable images were left out: continue in the same order.
        for position in order[count:]:
            if len(images) == count:
                break
            more, index = data.source.fetch(data.indices[position].view(1), None)
            images, indices = torch.cat([images, more]), torch.cat([indices, index])
        _check(len(images) == count, f"count: {count}, only {len(images)} images can be read")
        return self.normalise(images), data.source.labels[indices]

    def examples(self, count: int) -> Tensor:
        """Return test images as they are read, uint8 (B, C, H, W), B at most `count`.

        They are spread over the whole test split.
        """
        data = self.dataset("test")
        step = max(1, len(data) // count)
        images, _ = data.source.fetch(data.indices[::step][:count], None)
        return images

    def _source(self, part: str) -> ImageSource:
        if part not in self._sources:
            if part == "predict" and self.predict_folder is not None:
                source: ImageSource = self.read_folder(Path(self.predict_folder).expanduser())
            else:
                source = self.load(part)
            n = len(source.labels)
            _check(n > 0, f"root: {self.root} holds no image of {part!r}")
            low, high = int(source.labels.min()), int(source.labels.max())
            _check(
                low >= 0 and high < self.num_classes,
                f"{self.root}: the {n} labels of {part!r} lie in [{low}, {high}], "
                f"expected 0 to {self.num_classes - 1}",
            )
            self._sources[part] = source
        return self._sources[part]

    def _add(self, part: str, source: ImageSource, indices: Tensor) -> None:
        while_reading = part == "train" and not self._steps <= set(BATCH_STEPS)
        self._datasets[part] = SplitDataset(source, indices, augment=while_reading)

    def _validation_source(self) -> str:
        """Return the part whose images are held out for validation."""
        return self.halved or "train" if self.split == "nasbench201" else "train"

    def _divide(self, part: str) -> tuple[Tensor, Tensor]:
        """Return the indices of the rest and of the images held out for validation."""
        labels = self._source(part).labels
        if self.split_file is None:
            fraction = 0.5 if self.split == "nasbench201" else self.validation
            rest, held_out = stratified_split(labels, fraction, self.seed)
            _check(
                len(held_out) > 0 or fraction == 0,
                f"validation: {fraction} of {len(labels)} images holds none out, expected 0 or a "
                "larger share",
            )
            origin = f"seed {self.seed}"
        else:
            listed, rest, held_out = published_split(self.split_file)
            _check(
                listed == part
                and torch.equal(torch.cat([rest, held_out]).sort()[0], torch.arange(len(labels))),
                f"split_file: {os.fspath(self.split_file)} lists {len(rest)} + {len(held_out)} "
                f"images of {listed!r}, expected to divide images 0 to {len(labels) - 1} of "
                f"{part!r}",
            )
            origin = f"index list {self.split_file}"
        rank_zero_info(
            f"{type(self).__name__}: split {self.split} by {origin}: {len(rest)} images of "
            f"{part} kept, {len(held_out)} for validation"
        )
        return rest, held_out

    def _loader(self, part: Part, shuffle: bool = False, sampled: bool = True) -> DataLoader[Batch]:
        data = self.dataset(part)
        trainer = self.trainer
        shard = (trainer.distributed_sampler_kwargs if trainer is not None else None) or {}
        sampler = EpochSampler(
            data, shard.get("num_replicas", 1), shard.get("rank", 0), shuffle, self.seed
        )
        on_gpu = trainer is not None and trainer.strategy.root_device.type == "cuda"
        return DataLoader(
            data,  # type: ignore[arg-type]
            batch_size=self.batch_size,
            sampler=sampler if sampled else None,
            num_workers=self.num_workers,
            collate_fn=_as_fetched,
            pin_memory=on_gpu,
            persistent_workers=self.num_workers > 0,
        )


def _as_fetched(batch: Any) -> Any:
    return batch


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
