"""What a run was and what it reached, for comparison with others."""

import os
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import pytorch_lightning as pl
from torch.utils.tensorboard.summary import hparams

from callbacks.outputs import Shown, boards
from models.analysis.flat import flat


@runtime_checkable
class LogsScalars(Protocol):
    """A callback that can say what it logs."""

    def tags(self, pl_module: pl.LightningModule) -> list[str]:
        """Tags of the scalars that it logs of a module."""
        ...


@runtime_checkable
class IsSearch(Protocol):
    """A search: it ends with a result."""

    finished: bool

    def settings(self) -> dict[str, Any]:
        """Settings that decide the result."""
        ...

    def result(self) -> dict[str, Any]:
        """The content of `architecture.json`."""
        ...


_LEARNED = ("val/accuracy", "train/accuracy", "test/accuracy", "val/loss", "train/loss")
_SEARCHED = (
    "depth",
    "width",
    "parameters",
    "multiply_adds",
    "latency_ms",
    "evaluations",
)
_KAPPA = ("ntk/log10_condition_number_at_start", "ntk/log10_condition_number")
# What does not decide how good a run is; `optimizer` is named below, with its rate alone.
_LEFT_OUT = (
    *("num_classes", "in_shape", "images", "optimizer", "scheduler", "search", "compile"),
    *("download", "cache_dir", "in_memory", "num_workers", "predict_folder"),
)


class RunRecord(pl.Callback):
    """Log what a run is and what it costs, for TensorBoard's HPARAMS tab, and lay out its charts.

    Every logger gets the hyper-parameters: arguments of the module and of the DataModule that are
    numbers or texts (settings of a search), optimizer and rate, the seed; `hparams.yaml` has them.
    Once per run:

    * `costs/…` of a network that is trained: its `cost`, or else its number of `parameters`;
    * in TensorBoard, which scalars the HPARAMS tab sets beside them, the first five at once:
      accuracy, depth, width, κ at the start, costs. It reads their last values, so that it is up
      to date while a run goes on and after a test;
    * a layout for custom scalars: accuracies, losses, eigenvalues, depth and width are a chart
      each.

    When a search is finished, `found/…`: effective depth and width of what it found (mean over
    cells), its costs, and the evaluations that it took.
    """

    def __init__(self) -> None:
        self._shown = Shown()
        self._start = 0

    def state_dict(self) -> dict[str, Any]:
        """Return what is recorded, which a resume does not record again."""
        return self._shown.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the same run."""
        self._shown.load_state_dict(state_dict)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell the loggers what the run is, before they write it."""
        for logger in trainer.loggers if trainer.is_global_zero else ():
            logger.log_hyperparams(_hyperparameters(trainer, pl_module))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record costs, the metrics to compare by, and the charts."""
        self._start = trainer.global_step
        self._shown.open(trainer)
        if not self._shown.is_new("record", "") or not trainer.is_global_zero:
            return
        costs = {} if isinstance(pl_module, IsSearch) else _costs(pl_module)
        for logger in trainer.loggers if costs else ():
            logger.log_metrics(costs, step=0)
        logged = [
            tag
            for callback in getattr(trainer, "callbacks", ())
            if isinstance(callback, LogsScalars)
            for tag in callback.tags(pl_module)
        ]
        if isinstance(pl_module, IsSearch):
            metrics = [f"found/{name}" for name in _SEARCHED]
        else:
            shapes = [tag for tag in logged if tag.startswith("effective_")]
            kappa = [tag for tag in _KAPPA if tag in logged]
            metrics = [*_LEARNED[:1], *shapes, *kappa, *costs, *_LEARNED[1:]]
            logged = [*_LEARNED, *logged]
        for board in boards(trainer):
            board.add_custom_scalars(_charts(logged))
            parameters = _hyperparameters(trainer, pl_module)
            summaries: Any = hparams(parameters, dict.fromkeys(metrics, 0))  # type: ignore[no-untyped-call]
            for summary in summaries:
                board.file_writer.add_summary(summary)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log what a search has found, unless it was found before this fit."""
        if not isinstance(pl_module, IsSearch) or not pl_module.finished:
            return
        if trainer.is_global_zero and trainer.global_step > self._start:
            found = _found(pl_module.result())
            for logger in trainer.loggers:
                logger.log_metrics(found, step=trainer.global_step)


def _hyperparameters(trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, Any]:
    """Return what decides a run, flat."""
    own = module.settings() if isinstance(module, IsSearch) else dict(module.hparams)
    found = {"model": type(module).__name__} | flat(_left(own))
    for data in (getattr(trainer, "datamodule", None), getattr(module, "images", None)):
        if isinstance(data, pl.LightningDataModule):
            found["data"] = type(data).__name__
            found |= {f"data.{k}": v for k, v in flat(_left(dict(data.hparams))).items()}
            break
    for optimizer in trainer.optimizers[:1]:
        if optimizer.defaults.get("lr"):
            found |= {"optimizer": type(optimizer).__name__}
            found |= {"lr": float(optimizer.defaults["lr"])}
    if "PL_GLOBAL_SEED" in os.environ:
        found["seed_everything"] = int(os.environ["PL_GLOBAL_SEED"])
    return found


def _left(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in values.items()
        if name not in _LEFT_OUT and not name.startswith("_")
    }


def _costs(module: pl.LightningModule) -> dict[str, float]:
    """Return what a network costs, as its module says, or its parameters."""
    cost: Any = getattr(module, "cost", None)
    if hasattr(cost, "_asdict"):
        return {f"costs/{name}": float(value) for name, value in cost._asdict().items()}
    return {"costs/parameters": float(sum(p.numel() for p in module.parameters()))}


def _found(result: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of a search's result: costs, depth and width, what it took."""
    cells = [*result.get("depth_width", {}).values()]
    figures = dict(result.get("costs", {}))
    for name in ("depth", "width") if cells else ():
        figures[name] = sum(cell[name] for cell in cells) / len(cells)
    if "evaluations" in result:
        figures["evaluations"] = result["evaluations"]
    return {f"found/{name}": float(value) for name, value in figures.items()}


def _charts(tags: list[str]) -> dict[str, dict[str, list[Any]]]:
    """Return charts of the tags that belong together, where there are two or more."""
    together = {
        ("training", "accuracy"): ("train/accuracy", "val/accuracy"),
        ("training", "loss"): ("train/loss", "val/loss"),
        ("kernel", "extreme eigenvalues"): ("ntk/lambda_max", "ntk/lambda_min"),
        ("connectivity", "depth and width"): ("effective_",),
    }
    layout: dict[str, dict[str, list[Any]]] = {}
    for (category, title), starts in together.items():
        own = [tag for tag in tags if tag.startswith(starts)]
        if len(own) > 1:
            layout.setdefault(category, {})[title] = ["Multiline", own]
    return layout
