"""The spectrum of the empirical neural tangent kernel before and during training."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, Protocol, runtime_checkable

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_warn
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from models.indicators import empirical_ntk, ntk_spectrum

TAGS = ("ntk/log10_condition_number", "ntk/lambda_max", "ntk/lambda_min", "ntk/rank")


@runtime_checkable
class ProbeSource(Protocol):
    """A DataModule, or a search, that hands out fixed, unaugmented training images."""

    def probe(self, count: int, seed: int) -> tuple[Tensor, Tensor]:
        """`count` images (count, C, H, W), normalised, and their labels."""
        ...


class NTKMonitor(pl.Callback):
    """Log the NTK of a module on a fixed probe set, before training and after every n-th epoch.

    Logs, for the spectrum λ_max ≥ … ≥ λ_min of the kernel on `probe_size` training images:

    * `ntk/log10_condition_number`: log₁₀ κ = log₁₀(λ_max / λ_min); lower is better conditioned;
      `inf` where the kernel is singular;
    * `ntk/lambda_max`, `ntk/lambda_min`;
    * `ntk/rank`: eigenvalues above rounding, at most `probe_size`;
    * `ntk/log10_spectrum`: a histogram of log₁₀ of the positive eigenvalues, against the epoch.

    The kernel is that of the network as it trains, with BatchNorm on batch statistics and dropout
    off; where it is not finite (training diverged), NaN is logged and a warning says so. Probes
    come from the DataModule's `probe(count, seed)`, or else are drawn from the training set, by
    `seed` alone. Model, gradients, buffers and random state stay as they were: a run with this
    callback reaches bit-identical weights.

    Args:
        probe_size: images N; the cost grows with N in `coupled` mode.
        every_n_epochs: epochs between two measurements.
        batch_norm: `frozen` (batch statistics are constants: one backward pass) or `coupled`
            (exact: N backward passes); two different quantities.
        parameters: `all`, or `weights` (parameters whose name contains `weight`).
        output: `sum` of the logits, or the `trace` over them.
        seed: of the choice of probes.

    Raises:
        ValueError: a size below its minimum; a network that is not deterministic, by name.
        MisconfigurationException: no training images to probe with.
    """

    def __init__(
        self,
        probe_size: int = 64,
        every_n_epochs: int = 1,
        batch_norm: Literal["coupled", "frozen"] = "frozen",
        parameters: Literal["all", "weights"] = "all",
        output: Literal["sum", "trace"] = "sum",
        seed: int = 0,
    ) -> None:
        for name, value, least in (
            ("probe_size", probe_size, 2),
            ("every_n_epochs", every_n_epochs, 1),
        ):
            if value < least:
                raise ValueError(f"{name}: expected {least} or more, got {value}")
        self.probe_size = probe_size
        self.every_n_epochs = every_n_epochs
        self.batch_norm: Literal["coupled", "frozen"] = batch_norm
        self.parameters: Literal["all", "weights"] = parameters
        self.output: Literal["sum", "trace"] = output
        self.seed = seed
        self._images: Tensor | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Choose the probes and measure, unless a checkpoint continues a run."""
        with isolate_rng():
            images = _probe(trainer, pl_module, self.probe_size, self.seed)
        self._images = images.to(pl_module.device)
        if trainer.global_step == 0:
            values = self._measure(trainer, pl_module, epoch=0)
            for logger in trainer.loggers:
                logger.log_metrics({**values, "epoch": 0}, step=0)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure after every n-th epoch."""
        epoch = trainer.current_epoch + 1
        if epoch % self.every_n_epochs == 0:
            pl_module.log_dict(self._measure(trainer, pl_module, epoch))

    def _measure(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, epoch: int
    ) -> dict[str, float]:
        """The figures to log; every rank computes the same."""
        assert self._images is not None
        try:
            with isolate_rng(), _dropout_off(pl_module):
                kernel = empirical_ntk(
                    pl_module,
                    self._images,
                    batch_norm=self.batch_norm,
                    parameters=self.parameters,
                    output=self.output,
                )
        except FloatingPointError as error:
            rank_zero_warn(f"NTKMonitor, epoch {epoch}: {error}; NaN is logged")
            return dict.fromkeys(TAGS, math.nan)
        spectrum = ntk_spectrum(kernel)
        positive = spectrum.eigenvalues[spectrum.eigenvalues > 0].log10()
        if trainer.is_global_zero and len(positive):
            for logger in trainer.loggers:
                if isinstance(logger, TensorBoardLogger):
                    logger.experiment.add_histogram("ntk/log10_spectrum", positive, epoch)
        values = (
            math.log10(spectrum.condition_number),
            spectrum.lambda_max,
            spectrum.lambda_min,
            float(spectrum.rank),
        )
        return dict(zip(TAGS, values, strict=True))


def _probe(trainer: pl.Trainer, pl_module: pl.LightningModule, count: int, seed: int) -> Tensor:
    """Images from the DataModule's probe set, or else drawn from the training set."""
    for source in (getattr(trainer, "datamodule", None), pl_module):
        if isinstance(source, ProbeSource):
            try:
                return source.probe(count, seed)[0]
            except ValueError as error:
                reason = str(error).removeprefix("count: ")
                raise ValueError(f"NTKMonitor: probe_size: {reason}") from None
    loader = trainer.train_dataloader
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        raise MisconfigurationException(
            "NTKMonitor: no probe images; give the DataModule a method probe(count, seed), or "
            "train from one DataLoader over an indexable dataset"
        )
    dataset: Any = loader.dataset
    if count > len(dataset):
        raise MisconfigurationException(
            f"NTKMonitor: probe_size is {count}, the training set has {len(dataset)} items"
        )
    torch.manual_seed(seed)  # of the choice, and of what may augment the items
    chosen = torch.randperm(len(dataset))[:count].tolist()
    batch = loader.collate_fn([dataset[i] for i in chosen])
    batch = trainer.strategy.batch_to_device(batch, pl_module.device)
    images: Tensor = batch if isinstance(batch, Tensor) else batch[0]
    return images


@contextmanager
def _dropout_off(module: nn.Module) -> Iterator[None]:
    """Dropout layers in evaluation mode within the block."""
    dropouts = [
        m for m in module.modules() if isinstance(m, nn.modules.dropout._DropoutNd) and m.training
    ]
    for dropout in dropouts:
        dropout.eval()
    try:
        yield
    finally:
        for dropout in dropouts:
            dropout.train()
