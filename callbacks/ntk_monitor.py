"""The spectrum of the empirical neural tangent kernel before and during training."""

from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from callbacks.outputs import boards, show, takes_figures
from callbacks.probe import dropout_off, probe
from models.analysis.spectra import (
    log10_quantiles,
    log10_spectrum,
    spectrum_over_epochs_figure,
    spectrum_record,
)
from models.indicators import KernelSpectrum, empirical_ntk, ntk_spectrum


class NTKMonitor(pl.Callback):
    """Log the NTK of a module on a fixed probe set, before training and after every n-th epoch.

    Logs, for the spectrum λ_max ≥ … ≥ λ_min of the kernel on `probe_size` training images:

    * `ntk/log10_condition_number`: log₁₀ κ = log₁₀(λ_max / λ_min); lower is better conditioned;
      `inf` where the kernel is singular;
    * `ntk/lambda_max`, `ntk/lambda_min`;
    * `ntk/rank`: eigenvalues above rounding, at most `probe_size`;
    * `ntk/log10_condition_number_at_start`: the same before training, once, for comparing runs;
    * `ntk/settings`: which of the kernels this is, as text;
    * `ntk/log10_spectrum`: a histogram of log₁₀ of the positive eigenvalues, against the epoch;
    * `ntk/spectrum_over_epochs`: these as one picture when training ends, a line per quantile.

    The kernel is that of the network as it trains, with BatchNorm on batch statistics and dropout
    off; where it is not finite (training diverged), NaN is logged and a warning says so. Probes
    come from the DataModule's `probe(count, seed)`, or else are drawn from the training set, by
    `seed` alone. Model, gradients, buffers and random state stay as they were: where training is
    deterministic, a run with this callback reaches bit-identical weights.

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
        self._quantiles: dict[int, list[float]] = {}
        self._moved = False

    def state_dict(self) -> dict[str, Any]:
        """Return the quantiles of every spectrum so far, by epoch."""
        return {"quantiles": dict(self._quantiles)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the same run."""
        self._quantiles = dict(state_dict["quantiles"])

    def tags(self, pl_module: pl.LightningModule) -> list[str]:
        """Scalars that it logs."""
        return [f"{_CONDITION}_at_start", *_tagged(None)]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Choose the probes and measure, unless a checkpoint continues a run."""
        self._moved = False
        self._images = probe(self, trainer, pl_module, self.probe_size, self.seed)
        settings = (
            f"{self.probe_size} images, batch_norm={self.batch_norm}, "
            f"parameters={self.parameters}, output={self.output}"
        )
        for board in boards(trainer):
            board.add_text("ntk/settings", settings, trainer.current_epoch)
        if trainer.global_step == 0:
            values = self._measure(trainer, pl_module, epoch=0)
            for logger in trainer.loggers:
                start = {f"{_CONDITION}_at_start": values[_CONDITION]}
                logger.log_metrics({**values, **start, "epoch": 0}, step=0)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure after every n-th epoch."""
        epoch = trainer.current_epoch + 1
        if epoch % self.every_n_epochs == 0:
            # No sync_dist: all ranks measure the same (and see ImageClassifier).
            pl_module.log_dict(self._measure(trainer, pl_module, epoch))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw how the spectrum moved, if this fit moved it."""
        if self._moved and len(self._quantiles) > 1 and takes_figures(trainer):
            figure = spectrum_over_epochs_figure(self._quantiles)
            show(trainer, "ntk/spectrum_over_epochs", figure, trainer.current_epoch)

    def _measure(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, epoch: int
    ) -> dict[str, float]:
        """The figures to log; every rank computes the same."""
        assert self._images is not None
        try:
            with dropout_off(pl_module):
                kernel = empirical_ntk(
                    pl_module,
                    self._images,
                    batch_norm=self.batch_norm,
                    parameters=self.parameters,
                    output=self.output,
                )
        except FloatingPointError as error:
            rank_zero_warn(f"NTKMonitor, epoch {epoch}: {error}; NaN is logged")
            return _tagged(None)
        spectrum = ntk_spectrum(kernel)
        exponents = log10_spectrum(spectrum)
        if len(exponents):
            self._moved = True
            self._quantiles[epoch] = log10_quantiles(exponents)
            for board in boards(trainer):
                board.add_histogram("ntk/log10_spectrum", exponents, epoch)
        return _tagged(spectrum)


_CONDITION = "ntk/log10_condition_number"


def _tagged(spectrum: KernelSpectrum | None) -> dict[str, float]:
    return {f"ntk/{name}": value for name, value in spectrum_record(spectrum).items()}
