"""The NTK per epoch: what is logged, of what, and that nothing else changes."""

import math
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from matplotlib.figure import Figure
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from callbacks import NTKMonitor
from datamodules import DigitsDataModule
from models import DagMLPClassifier
from models.analysis.spectra import spectrum_record
from models.indicators import empirical_ntk, ntk_spectrum

CONDITION = "ntk/log10_condition_number"  # infinite where rounding makes the kernel singular
SCALARS = {CONDITION, "ntk/lambda_max", "ntk/lambda_min", "ntk/rank"}


@pytest.fixture(autouse=True)
def blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that take no time; what they hold is tested elsewhere."""
    name = "callbacks.ntk_monitor.spectrum_over_epochs_figure"
    monkeypatch.setattr(name, lambda _: Figure((1, 1)))


class Foreign(pl.LightningModule):
    """None of ours: BatchNorm, dropout, its own step and a plain DataLoader."""

    def __init__(self, lr: float = 0.1) -> None:
        super().__init__()
        self.lr = lr
        self.net = nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(16, 3),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), self.lr, momentum=0.9)


class Augmenting(Foreign):
    """Foreign, with images augmented on the device by the global random state."""

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch[0] + 0.1 * torch.randn_like(batch[0]), batch[1]


class Noisy(TensorDataset):
    """A data set that augments by the global random state."""

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        image, label = super().__getitem__(index)
        return image + 0.1 * torch.randn(()), label


def images(n: int = 24) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(n, 1, 4, 4, generator=generator), torch.arange(n) % 3


def loader(kind: type = TensorDataset, shuffle: bool = True) -> DataLoader[Any]:
    return DataLoader(kind(*images()), 6, shuffle=shuffle)


def fit(
    module: pl.LightningModule,
    data: Any,
    *callbacks: pl.Callback,
    logger: Any = False,
    ckpt_path: Path | None = None,
    **kwargs: Any,
) -> pl.Trainer:
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=logger,
        callbacks=list(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        log_every_n_steps=1,
        **{"max_epochs": 2} | kwargs,
    )
    trainer.fit(module, data, ckpt_path=ckpt_path)
    return trainer


def scalars(logger: TensorBoardLogger) -> dict[str, list[float]]:
    seen = EventAccumulator(logger.log_dir, {"scalars": 0}).Reload()
    return {tag: [e.value for e in seen.Scalars(tag)] for tag in seen.Tags()["scalars"]}


def logged(tmp_path: Path, module: pl.LightningModule, data: Any, **kwargs: Any) -> Any:
    """Scalars of a run that measures on 8 probes."""
    logger = TensorBoardLogger(tmp_path)
    fit(module, data, NTKMonitor(8, **kwargs), logger=logger)
    return scalars(logger)


@pytest.mark.parametrize(("every", "epochs"), [(1, [0, 1, 2, 3]), (2, [0, 2])])
def test_measured_before_training_and_after_every_nth_epoch(
    tmp_path: Path, every: int, epochs: list[int]
) -> None:
    logger = TensorBoardLogger(tmp_path)
    fit(Foreign(), loader(), NTKMonitor(8, every), logger=logger, max_epochs=3)
    values = scalars(logger)
    assert all(len(values[tag]) == len(epochs) for tag in SCALARS)
    seen = EventAccumulator(logger.log_dir, {"histograms": 0}).Reload()
    assert [e.step for e in seen.Histograms("ntk/log10_spectrum")] == epochs


@pytest.mark.parametrize(
    ("batch_norm", "parameters", "output"),
    [("frozen", "all", "sum"), ("coupled", "weights", "trace")],
)
def test_values_are_those_of_the_kernel(
    tmp_path: Path, batch_norm: Any, parameters: Any, output: Any
) -> None:
    options = {"batch_norm": batch_norm, "parameters": parameters, "output": output}
    data = DigitsDataModule(batch_size=512)
    model = DagMLPClassifier("2_21_112", data.in_shape, 10, width=8, batch_norm=True)
    probes, _ = data.probe(8, seed=5)
    before = empirical_ntk(model.train(), probes, **options)
    values = logged(tmp_path, model, data, seed=5, **options)
    after = empirical_ntk(model.train(), probes, **options)
    for index, kernel in ((0, before), (-1, after)):
        expected = spectrum_record(ntk_spectrum(kernel))
        found = {name: values[f"ntk/{name}"][index] for name in expected}
        assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("batch_norm", "kind", "foreign"),
    [("frozen", Noisy, Foreign), ("coupled", TensorDataset, Augmenting)],
)
def test_weights_are_bit_identical_with_and_without(
    batch_norm: Any, kind: type, foreign: type[Foreign]
) -> None:
    states = []
    for monitors in ([], [NTKMonitor(8, batch_norm=batch_norm)]):
        pl.seed_everything(7)
        module = foreign()
        fit(module, loader(kind), *monitors, max_epochs=3)
        states.append((module.state_dict(), torch.get_rng_state()))
    (without, state), (with_it, other) = states
    assert all(torch.equal(value, with_it[name]) for name, value in without.items())
    assert torch.equal(state, other)


def test_gradients_modes_and_buffers_stay() -> None:
    class Check(pl.Callback):
        """Runs after the monitor, and compares with what was there before it."""

        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            assert all(module.training for module in pl_module.modules())
            assert all(p.grad is not None for p in pl_module.parameters())
            assert pl_module.net[1].num_batches_tracked == trainer.global_step

    fit(Foreign(), loader(), NTKMonitor(8), Check())


def test_probes_do_not_depend_on_shuffling(tmp_path: Path) -> None:
    weights = Foreign().state_dict()
    values = []
    for shuffle in (True, False):
        for state in (0, 1):
            torch.manual_seed(state)
            module = Foreign(lr=0.0)
            module.load_state_dict(weights)
            data = loader(Noisy, shuffle)
            values.append(logged(tmp_path, module, data)["ntk/lambda_max"][0])
    assert len(set(values)) == 1
    module = Foreign()
    module.load_state_dict(weights)
    assert logged(tmp_path, module, loader(Noisy), seed=1)["ntk/lambda_max"][0] != values[0]


def test_a_resumed_run_does_not_measure_its_start_again(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    trainer = fit(Foreign(), loader(), NTKMonitor(8), logger=logger)
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    resumed = TensorBoardLogger(tmp_path, version="resumed")
    ckpt = tmp_path / "x.ckpt"
    fit(Foreign(), loader(), NTKMonitor(8), logger=resumed, max_epochs=3, ckpt_path=ckpt)
    assert len(scalars(resumed)["ntk/rank"]) == 1


def test_the_spectrum_over_epochs_is_one_picture_whatever_was_resumed(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path, version="run")
    trainer = fit(Foreign(), loader(), NTKMonitor(8), logger=logger)
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    saved = torch.load(tmp_path / "x.ckpt", weights_only=True)["callbacks"]["NTKMonitor"]
    assert [*saved["quantiles"]] == [0, 1, 2]
    resumed, monitor = TensorBoardLogger(tmp_path, version="resumed"), NTKMonitor(8)
    fit(Foreign(), loader(), monitor, logger=resumed, max_epochs=3, ckpt_path=tmp_path / "x.ckpt")
    quantiles = monitor.state_dict()["quantiles"]
    assert quantiles.items() > saved["quantiles"].items()
    assert [*quantiles] == [0, 1, 2, 3]
    seen = EventAccumulator(resumed.log_dir, {"images": 0}).Reload()
    (picture,) = seen.Images("ntk/spectrum_over_epochs")
    assert picture.step == 3
    done = TensorBoardLogger(tmp_path, version="done")  # nothing is left to train
    fit(Foreign(), loader(), NTKMonitor(8), logger=done, ckpt_path=tmp_path / "x.ckpt")
    assert not EventAccumulator(done.log_dir).Reload().Tags()["images"]


def test_a_diverged_network_is_said_and_trains_on(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="NTKMonitor, epoch 1: .*not finite.*NaN is logged"):
        values = logged(tmp_path, Foreign(lr=1e30), loader())
    assert all(math.isnan(values[tag][-1]) for tag in SCALARS)
    assert all(math.isfinite(values[tag][0]) for tag in SCALARS)


def test_fast_dev_run_and_no_logger() -> None:
    trainer = fit(Foreign(), loader(), NTKMonitor(8), fast_dev_run=True)
    assert trainer.global_step == 1
    assert trainer.callback_metrics.keys() >= SCALARS


class Named(TensorDataset):
    """Items as dictionaries."""

    def __getitem__(self, index: int) -> Any:
        image, label = super().__getitem__(index)
        return {"image": image, "label": label}


class Stream(IterableDataset):
    """No item can be asked for."""

    def __iter__(self) -> Any:
        return iter(list(zip(*images(), strict=True)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (DataLoader(Stream(), 6), "no probe images; give the DataModule a method probe"),
        ({"a": loader(), "b": loader()}, "no probe images"),
        (DataLoader(TensorDataset(*images(4)), 6), "probe_size is 8, the training set has 4"),
        (loader(Named), "expected a batch of images, or of images and labels, got dict; give"),
    ],
)
def test_data_without_probes_is_refused(data: Any, message: str) -> None:
    with pytest.raises(MisconfigurationException, match=f"^NTKMonitor: {message}"):
        fit(Foreign(), data, NTKMonitor(8))


def test_a_network_that_draws_is_refused_by_name() -> None:
    class Drawing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.randn_like(x)

    module = Foreign()
    module.net[2] = Drawing()
    with pytest.raises(ValueError, match=r"net\.2 \(Drawing\) draws random numbers"):
        fit(module, loader(), NTKMonitor(8))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"probe_size": 1}, "probe_size: expected 2 or more, got 1"),
        ({"every_n_epochs": 0}, "every_n_epochs: expected 1 or more, got 0"),
    ],
)
def test_bad_sizes_are_named(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NTKMonitor(**arguments)


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed", "bf16-true", "16-true"])
@pytest.mark.parametrize("ours", [True, False])
def test_every_precision_of_a_fit(precision: Any, ours: bool) -> None:
    if ours:
        data: Any = DigitsDataModule(batch_size=512)
        module: Any = DagMLPClassifier("2_21_112", data.in_shape, 10, width=8, batch_norm=True)
    else:
        data, module = loader(), Foreign()
    trainer = fit(module, data, NTKMonitor(8), precision=precision, max_epochs=1)
    assert all(math.isfinite(trainer.callback_metrics[name]) for name in SCALARS - {CONDITION})
    assert trainer.callback_metrics["ntk/lambda_max"] > 0
