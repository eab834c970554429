"""Images that are not numbers, and checkpoints that are damaged or of another version."""

import re
from typing import Any

import pytest
import torch

# NaN in an image of the fourth batch of the third epoch.
POISON = """
from datamodules import DigitsDataModule
original = DigitsDataModule.on_after_batch_transfer
def poisoned(self, batch, dataloader_idx):
    batch = original(self, batch, dataloader_idx)
    loop = self.trainer.fit_loop
    at = (self.trainer.current_epoch, loop.epoch_loop.batch_idx) == (2, 2)  # the batch before
    if self.trainer.training and at:
        batch[0][0, 0, 0, 0] = float("nan")
    return batch
DigitsDataModule.on_after_batch_transfer = poisoned
"""
SHORT = ["--trainer.max_epochs", "3", "--test_after_fit", "false"]
BY_STEPS = ["--trainer.callbacks+=ModelCheckpoint", "--trainer.callbacks.every_n_train_steps", "2"]


@pytest.mark.slow
def test_an_image_that_is_nan(runs, tmp_path):
    line = runs.line(runs.arguments("fit"), tmp_path, POISON)
    assert line.startswith("lightning: error: train/loss: nan at batch 3 of epoch 2 (from 0): NaN")
    assert line.endswith("--ckpt_path last")
    runs.finish("fit", tmp_path)


def test_no_checkpoint_follows_a_loss_that_is_nan(runs, tmp_path):
    """Not even one that is written every two steps."""
    line = runs.line([*runs.arguments("fit"), *BY_STEPS], tmp_path, POISON)
    assert "train/loss: nan at batch 3 of epoch 2" in line
    (path,) = tmp_path.rglob("last.ckpt")
    content = torch.load(path, weights_only=True)
    assert content["global_step"] == 2 * 21 + 3 - 1
    assert all(value.isfinite().all() for value in content["state_dict"].values())


def test_images_of_a_search_that_are_nan(runs, tmp_path):
    before = """
from datamodules import DigitsDataModule
normalise = DigitsDataModule.normalise
DigitsDataModule.normalise = lambda self, pixels: normalise(self, pixels) * float("nan")
"""
    line = runs.line(runs.arguments("pruning"), tmp_path, before)
    assert line.startswith("lightning: error: round 0: ")
    assert not list(tmp_path.rglob("architecture.json"))


# Checkpoints --------------------------------------------------------------------------------------


def damage(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint as another version may have left it."""
    match kind:
        case "renamed class":
            content["hyper_parameters"]["_class_path"] = "models.OldName"
        case "weights of another shape":
            weights = content["state_dict"]
            name = next(name for name, value in weights.items() if value.ndim == 2)
            weights[name] = weights[name][:-1]
        case "another optimizer":
            content["optimizer_states"][0]["param_groups"][0]["params"].pop()
        case "optimizer states of another kind":
            content["optimizer_states"] = "sgd"
        case "a mask of another shape":
            content["search"]["state"]["mask"] = content["search"]["state"]["mask"][:, 1:]
        case "no settings":
            del content["search"]["settings"]
        case "other settings":
            content["search"]["settings"]["temperature"] = 1.0
        case "no state of a search":
            del content["search"]
        case _:
            del content[kind.removeprefix("no ")]
    return content


OTHER_VERSION = "ckpt_path: the checkpoint does not fit, it may be of another network or version: "
FIT = {
    "renamed class": "ckpt_path: .* was written by models.OldName, not models.DagMLPClassifier",
    "weights of another shape": OTHER_VERSION + "RuntimeError: .* size mismatch",
    "another optimizer": OTHER_VERSION + "ValueError: loaded state dict contains a parameter group",
    "optimizer states of another kind": OTHER_VERSION,
    "no pytorch-lightning_version": OTHER_VERSION + "KeyError: 'pytorch-lightning_version'",
}
PRUNING = {
    "a mask of another shape": OTHER_VERSION + r"ValueError: mask: expected .* shape \(1, 6, 5\)",
    "no settings": OTHER_VERSION + "KeyError: 'settings'",
    "other settings": "ckpt_path: the checkpoint was written with temperature=1.0, not None",
    "no state of a search": "ckpt_path: this checkpoint holds no search",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "what", "said"),
    [("fit", *item) for item in FIT.items()] + [("pruning", *item) for item in PRUNING.items()],
)
def test_a_checkpoint_of_another_version(runs, tmp_path, kind, what, said):
    (path,) = runs.in_peace(kind).rglob("last.ckpt")
    torch.save(damage(what, torch.load(path, weights_only=True)), tmp_path / "old.ckpt")
    line = runs.line([*runs.arguments(kind), "--ckpt_path", "old.ckpt"], tmp_path)
    assert re.match(f"lightning: error: {said}", line), line


@pytest.mark.slow
def test_a_checkpoint_cut_in_half(runs, tmp_path):
    """A whole one beside it is named, and can be gone on from."""
    assert runs.run([*runs.arguments("fit"), *SHORT], tmp_path) == 0
    (path,) = tmp_path.rglob("last.ckpt")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    line = runs.line([*runs.arguments("fit"), "--ckpt_path", "last"], tmp_path)
    found = re.search(
        r"last\.ckpt is not a checkpoint, or damaged; (\S+) beside it is whole$", line
    )
    assert found, line
    (tmp_path / found[1]).rename(path)
    runs.finish("fit", tmp_path)
