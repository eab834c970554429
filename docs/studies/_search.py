"""Run a search for a study: quietly, on the CPU, with its files in one folder."""

import pytorch_lightning as pl

from models.search import Search


def finish(search: Search, folder: str) -> None:
    """Fit the search to its end; `architecture.json` goes to `folder`."""
    pl.Trainer(
        max_epochs=-1,
        accelerator="cpu",
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(search)
