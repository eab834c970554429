"""Lightning's Trainer, with what the command line can do besides."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_info

from datamodules import ImageDataModule
from lightning_app.checkpoint_io import SafeCheckpointIO
from lightning_app.checkpoints import misfit
from lightning_app.watchdog import watch_launcher
from models.export import Photos, export
from models.search import Search

_EXAMPLES = 64


class ArchitectureTrainer(Trainer):
    """A Trainer that exports too, and whose checkpoints are always whole."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if type(self.strategy.checkpoint_io) is TorchCheckpointIO:  # none of the user's own
            self.strategy.checkpoint_io = SafeCheckpointIO()
        watch_launcher()

    def export(
        self,
        model: LightningModule,
        datamodule: LightningDataModule | None = None,
        ckpt_path: str | None = None,
        output: str | None = None,
        weights_only: bool | None = None,
    ) -> None:
        """Write a trained network to one file, checked to give the same answers.

        Args:
            model: the module.
            datamodule: whose photos the file takes, and whose test images it is checked on.
            ckpt_path: whose weights to export; by default those at initialisation.
            output: file to write, ending in .pt2 (`torch.export`) or .onnx; by default `model.pt2`
                beside the checkpoint.
            weights_only: not used; the config that a fit leaves has it, and it is always so here.
        """
        if isinstance(model, Search):
            raise ValueError("model: a search has no network to export; train what it found")
        budget: dict[str, float] = {}
        if ckpt_path is not None:
            if not os.path.isfile(ckpt_path):
                raise ValueError(f"ckpt_path: expected a file, or last, got {ckpt_path}")
            content = torch.load(ckpt_path, map_location="cpu", weights_only=True)
            try:
                model.load_state_dict(content["state_dict"])
            except RuntimeError as error:
                raise ValueError(misfit(error)) from error
            budget = content.get("budget", {})
            state = content.get(type(datamodule).__qualname__)
            if datamodule is not None and state is not None:
                datamodule.load_state_dict(state)
        if output is None:
            output = str(Path(ckpt_path or "here").with_name("model.pt2"))
        photos = _photos(datamodule)
        written = export(model, output, photos=photos)
        shape = ", ".join(map(str, model.hparams["in_shape"]))
        if photos is None:
            does = f"normalised images (N, {shape}) to logits, the module's"
        else:
            does = (
                f"uint8 photos (N, {shape}) to class probabilities, the module's "
                f"on {len(photos.examples)} test photos"
            )
        rank_zero_info(
            f"{type(model).__name__} written to {output}, {written.bytes / 1e6:.2f} MB: "
            f"{does}; {written.milliseconds:.2g} ms a photo on one thread here"
            f"{_against(budget, written.milliseconds)}"
        )


def _against(budget: dict[str, float], milliseconds: float) -> str:
    """Compare with the latency that the search allowed, where it had a bound."""
    bound = budget.get("latency_ms")
    if bound is None:
        return ""
    side = "within" if milliseconds <= bound else "above"
    return f", {side} the {bound:g} ms of the search's budget"


def _photos(datamodule: LightningDataModule | None) -> Photos | None:
    if not isinstance(datamodule, ImageDataModule):
        return None
    examples = datamodule.examples(_EXAMPLES)
    datamodule.normalise(examples)  # which finds out mean and std where none are given
    return Photos(datamodule.mean, datamodule.std, datamodule.classes, examples)
