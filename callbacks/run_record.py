"""What a run was and what it reached, for comparison with others."""

import os
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger

from callbacks.outputs import boards
from models.analysis.runs import flat

_CHARTS = {
    "training": {
        "accuracy": ("train/accuracy", "val/accuracy"),
        "loss": ("train/loss", "val/loss"),
    },
    "kernel": {"extreme eigenvalues": ("ntk/lambda_max", "ntk/lambda_min")},
    "connectivity": {"depth and width": ("effective_depth", "effective_width")},
}
# `optimizer` is named below, with its rate alone.
_LEFT_OUT = ("num_classes", "in_shape", "images", "optimizer", "scheduler")


class RunRecord(pl.Callback):
    """Log hyper-parameters with the metrics that a run ends with, and lay out its charts.

    For TensorBoard's HPARAMS tab, and for any logger that takes hyper-parameters: arguments of the
    module and of the DataModule that are numbers or texts, optimizer and rate, the seed; and at the
    end, as `hp/<metric>`, the last value of every metric logged, the first one too
    (`hp/<metric>_at_start`) of the NTK's condition number. In TensorBoard's custom scalars, charts
    that belong together are one: accuracies, losses, eigenvalues, depth and width.
    """

    def __init__(self) -> None:
        self._first: dict[str, float] = {}
        self._laid_out = False

    def state_dict(self) -> dict[str, Any]:
        """Return the metrics of the first epoch, and whether the charts are laid out."""
        return {"first": self._first, "laid_out": self._laid_out}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the same run."""
        self._first, self._laid_out = state_dict["first"], state_dict["laid_out"]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell the loggers what the run is."""
        for logger in trainer.loggers if trainer.is_global_zero else ():
            logger.log_hyperparams(_hyperparameters(trainer, pl_module))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the first metrics; lay out those charts that this run fills."""
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self._first = logged | self._first
        if self._laid_out:
            return
        self._laid_out = True
        layout = {
            category: {
                title: ["Multiline", list(tags)]
                for title, tags in charts.items()
                if all(tag in logged for tag in tags)
            }
            for category, charts in _CHARTS.items()
        }
        layout = {category: charts for category, charts in layout.items() if charts}
        for board in boards(trainer):
            board.add_custom_scalars(layout)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log what the run was and what it reached."""
        if trainer.fast_dev_run or not trainer.is_global_zero:  # type: ignore[attr-defined]
            return
        reached = {f"hp/{n}": float(v) for n, v in trainer.callback_metrics.items()}
        kappa = "ntk/log10_condition_number"
        if kappa in self._first:
            reached[f"hp/{kappa}_at_start"] = self._first[kappa]
        parameters = _hyperparameters(trainer, pl_module)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.log_hyperparams(parameters, reached)
            else:
                logger.log_metrics(reached, trainer.global_step)


def _hyperparameters(trainer: pl.Trainer, module: Any) -> dict[str, Any]:
    """Return what decides a run, flat."""
    settings = getattr(module, "settings", None)
    own = settings() if callable(settings) else dict(module.hparams)
    data = getattr(trainer, "datamodule", None) or getattr(module, "images", None)
    found = {"model": type(module).__name__} | flat(_left(own))
    if data is not None:
        found["data"] = type(data).__name__
        found |= {f"data.{k}": v for k, v in flat(_left(dict(data.hparams))).items()}
    for optimizer in trainer.optimizers[:1]:
        if optimizer.defaults.get("lr"):
            found |= {"optimizer": type(optimizer).__name__, "lr": optimizer.defaults["lr"]}
    if "PL_GLOBAL_SEED" in os.environ:
        found["seed_everything"] = int(os.environ["PL_GLOBAL_SEED"])
    return found


def _left(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in values.items()
        if name not in _LEFT_OUT and not name.startswith("_")
    }
