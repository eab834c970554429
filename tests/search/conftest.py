"""What the tests of all searches share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl

from models.search import Search


@pytest.fixture
def run(quiet: dict[str, Any]) -> Callable[..., pl.Trainer]:
    """Fit a search to its end, in a folder; further arguments are the Trainer's."""

    def fit(search: Search, folder: Path, ckpt_path: Any = None, **arguments: Any) -> pl.Trainer:
        settings = quiet | {"max_epochs": -1, "default_root_dir": folder} | arguments
        trainer = pl.Trainer(**settings)
        trainer.fit(search, ckpt_path=ckpt_path)
        return trainer

    return fit
