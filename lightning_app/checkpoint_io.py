"""Checkpoints that are whole or not there, and that run no code when they are read."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO


class SafeCheckpointIO(TorchCheckpointIO):
    """Lightning's reading and writing of checkpoints, made safe.

    Lightning writes into the system's temporary folder and moves the file. From another file system
    that is a copy over the checkpoint before, which a kill or a full disk leaves cut; and where the
    folder cannot be written it goes on without a word. It reads a checkpoint behind an `http`
    address with all the code in it.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write beside the checkpoint, and put it in its place in one step.

        Raises:
            OSError: it could not be written; the one before it is whole.
        """
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        path = Path(path)
        # Always the same name: what a killed process leaves is overwritten by the next one.
        partial = path.with_name(f".{path.name}.partial")
        content = io.BytesIO()
        torch.save(checkpoint, content)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with partial.open("wb") as file:
                    file.write(content.getbuffer())
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(partial, path)
            except OSError:
                partial.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise OSError(f"checkpoint {path} not written: {error.strerror}") from error

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Callable[..., Any] | None = lambda storage, _: storage,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read tensors and plain values, from a file or an address.

        Raises:
            ValueError: `weights_only` is False.
        """
        if weights_only is False:
            raise ValueError(
                "weights_only: expected true: false would run any code that is in a checkpoint"
            )
        return super().load_checkpoint(path, map_location, weights_only=True)
