"""What every DataModule promises, on the embedded digits."""

from pathlib import Path

import jsonargparse
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor, nn

import datamodules
from datamodules import DigitsDataModule, ImageDataModule


class Recorder(pl.LightningModule):
    """Notes the images that each stage receives."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 10)
        self.seen: dict[str, list[Tensor]] = {"train": [], "val": [], "test": []}

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(1))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        self.seen["train"].append(batch[0].clone())
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.seen["val"].append(batch[0].clone())

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.seen["test"].append(batch[0].clone())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def trainer(**kwargs: object) -> pl.Trainer:
    options = {
        "accelerator": "cpu",
        "max_epochs": 2,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return pl.Trainer(**(options | kwargs))


def trained_on(data: ImageDataModule, **kwargs: object) -> Tensor:
    model = Recorder()
    trainer(**kwargs).fit(model, datamodule=data)
    return torch.cat(model.seen["train"])


def test_splits_are_disjoint_and_complete() -> None:
    data = DigitsDataModule(validation=0.25)
    data.setup("fit")
    train, val = data.dataset("train").indices, data.dataset("val").indices
    assert sorted(torch.cat([train, val]).tolist()) == list(range(1438))
    assert len(data.dataset("test")) == 359


def test_stages_receive_normalised_images_and_only_training_is_augmented() -> None:
    data = DigitsDataModule(batch_size=100, augment="crop+flip+cutout")
    model, runner = Recorder(), trainer(max_epochs=1, num_sanity_val_steps=1)
    runner.fit(model, datamodule=data)
    runner.test(model, datamodule=data)
    for stage in ("val", "test"):
        part = data.dataset(stage)
        clean = data.normalise(part.source.images[part.indices[list(data._loader(stage).sampler)]])
        seen = torch.cat(model.seen[stage][-4 if stage == "test" else -2 :])
        assert torch.equal(seen, clean)
        assert seen.dtype == torch.float32
    part = data.dataset("train")
    clean = data.normalise(part.source.images[part.indices])
    assert torch.cat(model.seen["train"]).mean() != pytest.approx(clean.mean().item(), abs=1e-3)
    # The sanity check comes first, inside `fit`: it must not be augmented either.
    part = data.dataset("val")
    first = part.indices[list(data._loader("val").sampler)[:100]]
    assert torch.equal(model.seen["val"][0], data.normalise(part.source.images[first]))


@pytest.mark.parametrize(
    ("precision", "dtype"), [("64-true", torch.float64), ("bf16-true", torch.bfloat16)]
)
def test_images_have_the_precision_of_the_trainer(precision: str, dtype: torch.dtype) -> None:
    data = DigitsDataModule(batch_size=500)
    images = trained_on(data, precision=precision, max_epochs=1)
    assert images.dtype == dtype
    predictions = trainer(precision=precision).predict(Recorder(), datamodule=data)
    assert predictions[0].dtype == dtype


def test_statistics_are_those_of_the_training_images() -> None:
    pixels = DigitsDataModule(validation=0).dataset("train").source.images.double() / 255
    assert pixels.mean().item() == pytest.approx(DigitsDataModule.mean[0], abs=5e-5)
    assert pixels.std().item() == pytest.approx(DigitsDataModule.std[0], abs=5e-5)


def test_normalise_matches_float64_reference() -> None:
    data = DigitsDataModule()
    images = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8)
    reference = (images.double() / 255 - data.mean[0]) / data.std[0]
    torch.testing.assert_close(data.normalise(images).double(), reference, atol=1e-6, rtol=1e-6)
    with pytest.raises(ValueError, match=r"images: torch.float32, expected torch.uint8"):
        data.normalise(images.float())


@pytest.mark.parametrize("augment", ["none", "crop+flip+cutout"])
def test_training_images_depend_on_the_seed_alone(augment: str) -> None:
    torch.manual_seed(1)
    first = trained_on(DigitsDataModule(augment=augment))
    torch.manual_seed(2)
    assert torch.equal(first, trained_on(DigitsDataModule(augment=augment)))
    workers = DigitsDataModule(augment=augment, num_workers=2)
    assert torch.equal(first, trained_on(workers))
    assert not torch.equal(first, trained_on(DigitsDataModule(augment=augment, seed=1)))
    epochs = first.view(2, -1, 1, 8, 8)
    assert not torch.equal(epochs[0], epochs[1])


def test_resume_goes_on_with_the_same_images(tmp_path: Path) -> None:
    whole = trained_on(DigitsDataModule(augment="crop"), max_epochs=3)
    model, runner = Recorder(), trainer(max_epochs=2)
    runner.fit(model, datamodule=DigitsDataModule(augment="crop"))
    path = f"{tmp_path}/last.ckpt"
    runner.save_checkpoint(path)
    resumed = Recorder()
    trainer(max_epochs=3).fit(
        resumed, datamodule=DigitsDataModule(augment="crop"), ckpt_path=path, weights_only=True
    )
    assert torch.equal(torch.cat(resumed.seen["train"]), whole.chunk(3)[2])


def test_probe_is_fixed_and_leaves_the_random_state() -> None:
    data = DigitsDataModule(augment="crop+cutout")
    data.setup("fit")
    state = torch.get_rng_state()
    images, labels = data.probe(50, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert images.shape == (50, 1, 8, 8)
    assert images.dtype == torch.float32
    assert labels.dtype == torch.int64
    again = DigitsDataModule(num_workers=2, batch_size=7)
    again.setup("fit")
    assert torch.equal(images, again.probe(50, seed=3)[0])
    assert not torch.equal(images, data.probe(50, seed=4)[0])
    everything = data.probe(len(data.dataset("train")))[0]
    part = data.dataset("train")
    expected = data.normalise(part.source.images[part.indices]).flatten(1)
    assert torch.equal(everything.flatten(1).sum(1).sort()[0], expected.sum(1).sort()[0])
    with pytest.raises(ValueError, match=r"count: 1295, expected 1 to 1294"):
        data.probe(1295)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size: 0"),
        ({"validation": 1.0}, "validation: 1.0"),
        ({"split": "random"}, "split: 'random'"),
        ({"split": "nasbench201"}, "split: DigitsDataModule has no nasbench201 split"),
        ({"split_file": "a.txt"}, "split_file: only used"),
        ({"seed": -1}, "seed: -1"),
        ({"num_workers": -1}, "num_workers: -1"),
        ({"augment": "crop+mixup"}, "augment: 'crop\\+mixup', expected 'none' or any of crop"),
        ({"augment": "crop+crop"}, "augment: 'crop\\+crop'"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DigitsDataModule(**arguments)


def test_model_may_have_an_argument_of_the_same_name(tmp_path: Path) -> None:
    model, data = Recorder(), DigitsDataModule(seed=1)
    model.save_hyperparameters({"seed": 2})
    trainer(max_epochs=1, logger=CSVLogger(tmp_path)).fit(model, datamodule=data)
    assert (model.hparams["seed"], data.hparams["seed"]) == (2, 1)


def test_hyper_parameters_are_builtins(tmp_path: Path) -> None:
    data = DigitsDataModule(root=tmp_path)
    assert data.hparams["root"] == str(tmp_path)
    assert {type(value) for value in data.hparams.values()} <= {str, int, float, type(None)}


@pytest.mark.parametrize(
    "module",
    [
        name
        for name in datamodules.__all__
        if name not in ("ImageDataModule", "ImageFolderDataModule")
    ],
)
def test_command_line_reaches_the_arguments_of_the_base(module: str, tmp_path: Path) -> None:
    parser = jsonargparse.ArgumentParser()
    parser.add_subclass_arguments(ImageDataModule, "data")
    options = ["--data.batch_size=7", f"--data.root={tmp_path}", "--data.augment=crop"]
    config = parser.parse_args([f"--data={module}", *options])
    data = parser.instantiate(config).data
    assert (type(data).__name__, data.batch_size, data.root) == (module, 7, str(tmp_path))
    assert len(data.mean) == len(data.std) == data.in_shape[0]
