"""What the test after a fit needs is looked for before the first epoch."""

import re
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from PIL import Image

from lightning_app.after_fit import OpenTestData
from lightning_app.cli import main
from models import DagMLPClassifier

CONFIGS = Path(__file__).parents[2] / "configs"
MODEL = ["--model", "models.DagMLPClassifier", "--model.dag", "2", "--model.width", "4"]
DATA = ["--data", "datamodules.ImageFolderDataModule", "--data.image_size", "8"]

pytestmark = pytest.mark.usefixtures("command_line")


def write(folder: Path, names: str) -> None:
    for name in names:
        path = folder / name / "0.png"
        path.parent.mkdir(parents=True)
        for number in range(4):
            Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path.with_stem(str(number)))


@pytest.mark.parametrize(
    ("tested", "message"),
    [("", "root: no folder .*val"), ("abx", r"test/x is no class of the training folder")],
)
def test_test_data_are_opened_before_the_first_epoch(
    tested: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    begun: list[bool] = []
    monkeypatch.setattr(DagMLPClassifier, "on_train_start", lambda _: begun.append(True))
    write(tmp_path / "train", "ab")
    write(tmp_path / "test" if tested else tmp_path, tested)
    arguments = ["--data.root", str(tmp_path), "--data.validation", "0.5", "--data.batch_size", "2"]
    arguments += ["--data.test", "0"]  # nothing held out
    short = ["--trainer.max_epochs", "1", "--trainer.logger", "false"]
    with pytest.raises(SystemExit):
        main(["fit", *MODEL, *DATA, *arguments, *short, "--test_after_fit", "true"])
    assert re.search(f"lightning: error: .*{message}", capfd.readouterr().err)
    assert not begun


def test_a_search_has_nothing_to_test(capfd: pytest.CaptureFixture[str]) -> None:
    config = CONFIGS / "search" / "sampling_digits.yaml"
    with pytest.raises(SystemExit):
        main(["fit", "--config", str(config), "--test_after_fit", "true"])
    assert "error: test_after_fit: SamplingSearch trains no network" in capfd.readouterr().err


def test_a_module_without_a_test_step(quiet: dict[str, object]) -> None:
    trainer = pl.Trainer(**quiet)
    with pytest.raises(
        MisconfigurationException, match="test_after_fit: LightningModule has no test_step"
    ):
        OpenTestData().setup(trainer, pl.LightningModule(), "fit")


@pytest.mark.parametrize("monitor", [["--trainer.callbacks.monitor", "val/loss"], []])
def test_the_best_checkpoint_is_tested_or_the_last_weights(
    monitor: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mode: max` makes the worst epoch, the first, the best one."""
    seen: dict[str, torch.Tensor] = {}
    for hook in ("on_train_end", "on_test_start"):
        monkeypatch.setattr(
            DagMLPClassifier,
            hook,
            lambda module, hook=hook: seen.update({hook: next(module.parameters()).clone()}),
        )
    kept = ["--trainer.callbacks", "ModelCheckpoint", "--trainer.callbacks.filename", "kept"]
    mode = [*monitor, "--trainer.callbacks.mode", "max"] if monitor else []
    short = ["--trainer.max_epochs", "3", "--trainer.limit_train_batches", "4"]
    config = ["--config", str(CONFIGS / "quickstart.yaml")]
    main(["fit", *config, *kept, *mode, *short, "--test_after_fit", "true"])
    content = torch.load(next(Path("runs").rglob("kept.ckpt")), weights_only=True)
    assert torch.equal(seen["on_test_start"], next(iter(content["state_dict"].values())))
    assert torch.equal(seen["on_test_start"], seen["on_train_end"]) == (not monitor)
    assert content["epoch"] == (0 if monitor else 2)
    last = torch.load(next(Path("runs").rglob("last.ckpt")), weights_only=True)
    assert last["epoch"] == 2  # whatever is best
