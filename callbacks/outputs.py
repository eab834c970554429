"""Places where the callbacks of a run write."""

import io
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from matplotlib.figure import Figure
from PIL import Image
from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger
from pytorch_lightning.loggers.logger import DummyLogger


def run_folder(trainer: pl.Trainer) -> Path:
    """Return the run's folder. Ask on every rank: Lightning broadcasts the path."""
    return Path(trainer.log_dir or trainer.default_root_dir)


def boards(trainer: pl.Trainer) -> list[Any]:
    """Return the TensorBoard writers of a trainer; none on ranks other than 0."""
    if not trainer.is_global_zero:
        return []
    return [one.experiment for one in trainer.loggers if isinstance(one, TensorBoardLogger)]


class Shown:
    """What a run has shown in its folder, so that neither a later epoch nor a resume repeats it.

    Kept with a callback's state in checkpoints; in another folder it starts anew.
    """

    def __init__(self) -> None:
        self._folder = ""
        self._contents: dict[str, str] = {}

    def open(self, trainer: pl.Trainer) -> None:
        """Look where the run writes. Call it on every rank, when training starts."""
        folder = str(run_folder(trainer))
        if folder != self._folder:
            self._folder, self._contents = folder, {}

    def is_new(self, tag: str, content: str) -> bool:
        """Whether a tag has not shown this content last; from now on it has."""
        known = self._contents.get(tag)
        self._contents[tag] = content
        return content != known

    def state_dict(self) -> dict[str, Any]:
        """Return builtins."""
        return {"folder": self._folder, "contents": dict(self._contents)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Invert `state_dict`."""
        self._folder, self._contents = state.get("folder", ""), dict(state.get("contents", {}))


def takes_figures(trainer: pl.Trainer) -> bool:
    """Whether a figure would be kept by anyone; false on ranks other than 0."""
    return trainer.is_global_zero and any(map(_takes, trainer.loggers))


def show(trainer: pl.Trainer, tag: str, figure: Figure, step: int) -> None:
    """Send a figure to every logger of a trainer that takes one, on rank 0.

    TensorBoard and MLflow take figures, W&B and others with a method `log_image` take pictures;
    the others are left out.

    Args:
        trainer: whose loggers.
        tag: the figure's name.
        figure: what to show.
        step: epoch or round, of which the figure is the latest.
    """
    for logger in trainer.loggers if trainer.is_global_zero else ():
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_figure(tag, figure, step)
        elif isinstance(logger, MLFlowLogger):
            logger.experiment.log_figure(logger.run_id, figure, f"{tag}_{step}.png")
        elif _takes(logger):
            logger.log_image(key=tag, images=[_picture(figure)])  # type: ignore[attr-defined]


def _takes(logger: Logger) -> bool:
    if isinstance(logger, DummyLogger):  # of fast_dev_run: has every method, and keeps nothing
        return False
    figures = isinstance(logger, TensorBoardLogger | MLFlowLogger)
    return figures or callable(getattr(logger, "log_image", None))


def _picture(figure: Figure) -> Image.Image:
    content = io.BytesIO()
    figure.savefig(content, format="png")
    content.seek(0)
    return Image.open(content, formats=["PNG"])
