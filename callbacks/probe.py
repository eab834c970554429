"""Probe images and dropout off, which measurements during training share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset
from torchvision.ops import StochasticDepth


@runtime_checkable
class ProbeSource(Protocol):
    """A DataModule, or a search, that hands out fixed, unaugmented training images."""

    def probe(self, count: int, seed: int) -> tuple[Tensor, Tensor]:
        """`count` images (count, C, H, W), normalised, and their labels."""
        ...


def probe(
    callback: pl.Callback,
    trainer: pl.Trainer,
    pl_module: pl.LightningModule,
    count: int,
    seed: int,
) -> Tensor:
    """Images (count, …) of the module's device and precision, chosen by `seed` alone.

    They come from the `probe(count, seed)` of the DataModule or the module, or else are drawn
    from the training set. The global random state stays as it was.

    Args:
        callback: who asks; errors name it.
        trainer: of the run.
        pl_module: what is measured.
        count: images.
        seed: of the choice.

    Raises:
        ValueError: there are fewer images.
        MisconfigurationException: there are none to choose from.
    """
    name = type(callback).__name__
    for source in (getattr(trainer, "datamodule", None), pl_module):
        if isinstance(source, ProbeSource):
            try:
                images = source.probe(count, seed)[0].to(pl_module.device)
                return _as_weights(images, pl_module)
            except ValueError as error:
                reason = str(error).removeprefix("count: ")
                raise ValueError(f"{name}: probe_size: {reason}") from None
    loader = trainer.train_dataloader
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        raise MisconfigurationException(
            f"{name}: no probe images; give the DataModule a method probe(count, seed), or "
            "train from one DataLoader over an indexable dataset"
        )
    dataset: Any = loader.dataset
    if count > len(dataset):
        raise MisconfigurationException(
            f"{name}: probe_size is {count}, the training set has {len(dataset)} items"
        )
    with isolate_rng():
        torch.manual_seed(seed)  # of the choice, and of what may augment the items
        chosen = torch.randperm(len(dataset))[:count].tolist()
        batch = loader.collate_fn([dataset[i] for i in chosen])
        batch = trainer.strategy.batch_to_device(batch, pl_module.device)
    images = batch[0] if isinstance(batch, Sequence) else batch
    if not isinstance(images, Tensor):
        raise MisconfigurationException(
            f"{name}: expected a batch of images, or of images and labels, got "
            f"{type(batch).__name__}; give the DataModule a method probe(count, seed)"
        )
    return _as_weights(images, pl_module)


def _as_weights(images: Tensor, module: nn.Module) -> Tensor:
    """The images in the precision of the weights: the kernel is measured without autocast."""
    weights = (p.dtype for p in module.parameters() if p.is_floating_point())
    return images.to(next(weights, images.dtype))


_DROPOUTS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
    StochasticDepth,
)


@contextmanager
def dropout_off(module: nn.Module) -> Iterator[None]:
    """Dropout and drop-path layers in evaluation mode within the block."""
    dropouts = [m for m in module.modules() if isinstance(m, _DROPOUTS) and m.training]
    for dropout in dropouts:
        dropout.eval()
    try:
        yield
    finally:
        for dropout in dropouts:
            dropout.train()
