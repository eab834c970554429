"""What two processes of a real DDP run see, against one process."""

import subprocess
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from datamodules import DigitsDataModule
from lightning_app.process_group import leave_group_at_exit
from models.classifiers.metrics import ClassificationMetrics

EPOCHS = 2


class Recorder(pl.LightningModule):
    """Notes the images and labels of every stage, and saves them for this rank."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.layer = nn.Linear(64, 10)
        self.metrics = ClassificationMetrics(10)
        self.seen: dict[str, list[Tensor]] = {"train": [], "val": [], "test": [], "probe": []}

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        self.seen["train"].append(batch[0].flatten(1))
        return nn.functional.cross_entropy(self.layer(batch[0].flatten(1)), batch[1])

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.seen["val"].append(batch[0].flatten(1))

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        images, labels = batch
        self.seen["test"].append(images.flatten(1))
        # weights of this moment differ by rounding; the figures are those of fixed logits
        logits = images.flatten(1)[:, :10]
        self.metrics.update(nn.functional.cross_entropy(logits, labels), logits, labels)

    def on_test_end(self) -> None:
        self.seen["probe"].append(self.trainer.datamodule.probe(20)[0].flatten(1))
        self.seen["figures"] = [torch.stack([*self.metrics.compute().values()])]
        seen = {stage: torch.cat(images) for stage, images in self.seen.items()}
        torch.save(seen, self.folder / f"{self.trainer.world_size}-{self.global_rank}.pt")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(folder: Path, ranks: int) -> None:
    # 1,078 training images: the ranks get the same number; batches of 64 in all.
    data = DigitsDataModule(validation=0.25, batch_size=64 // ranks, augment="crop+cutout")
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=ranks,
        strategy="ddp" if ranks > 1 else "auto",
        max_epochs=EPOCHS,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module = Recorder(folder)
    trainer.fit(module, datamodule=data)
    trainer.test(module, datamodule=data, verbose=False)


def rows(images: Tensor) -> list[tuple[float, ...]]:
    return sorted(map(tuple, images.tolist()))


@pytest.mark.slow
def test_two_ranks_share_the_images_of_one(tmp_path: Path) -> None:
    fit(tmp_path, 1)
    subprocess.run([sys.executable, __file__, str(tmp_path)], check=True)
    one = torch.load(tmp_path / "1-0.pt")
    first, second = (torch.load(tmp_path / f"2-{rank}.pt") for rank in range(2))
    for epoch in range(EPOCHS):
        whole = one["train"].chunk(EPOCHS)[epoch]
        shards = [rank["train"].chunk(EPOCHS)[epoch] for rank in (first, second)]
        assert len(shards[0]) == len(shards[1])
        # The same images, augmented the same way, step by step.
        for batch, *halves in zip(
            whole.split(64), *(shard.split(32) for shard in shards), strict=True
        ):
            assert rows(batch) == rows(torch.cat(halves))
    both = torch.cat([rank["val"].chunk(EPOCHS)[0] for rank in (first, second)])
    assert rows(both) == rows(one["val"].chunk(EPOCHS)[0])
    assert len(one["test"]) % 2, "a number that the ranks cannot share"
    assert rows(torch.cat([first["test"], second["test"]])) == rows(one["test"])
    assert torch.equal(first["figures"], second["figures"])
    torch.testing.assert_close(first["figures"], one["figures"])
    assert torch.equal(first["probe"], one["probe"])
    assert torch.equal(second["probe"], one["probe"])


if __name__ == "__main__":
    fit(Path(sys.argv[1]), 2)
    leave_group_at_exit()
