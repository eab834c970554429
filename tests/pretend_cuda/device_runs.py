"""The list of what is run on a device, pretended or real. Each run returns figures to compare."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.distributed import destroy_process_group, is_initialized
from torch.optim import SGD

import models.indicators as library
from callbacks import DagSpaceReport, NNGPMonitor, NTKMonitor, PredictionWriter, TopologyMonitor
from datamodules import DigitsDataModule
from lightning_app.strategy import SearchStrategy
from models import (
    ArchitectureClassifier,
    DagConvClassifier,
    DagMLPClassifier,
    DagSpaceClassifier,
    PruningSearch,
    SamplingSearch,
    SupernetClassifier,
)
from models.indicators import Indicator
from models.networks import initialise_
from models.spaces import DartsSpace, NasBench201Space

Figures = dict[str, float]
Run = Callable[[torch.device, Path], Figures]

CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_1x1~2|"
DAG = "2_21_112"
SHAPE = (1, 8, 8)


def indicators() -> list[Indicator]:
    """Every indicator of the package, and both kernels of the condition number."""
    kinds = [getattr(library, name) for name in sorted(library.__all__)]
    found = [
        kind()
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, Indicator) and kind is not Indicator
    ]
    coupled = library.NTKConditionNumber("coupled")
    return [*found, coupled]


def label(indicator: Indicator) -> str:
    """The indicator's name, with the kernel where there are two."""
    kernel = getattr(indicator, "batch_norm", "frozen")
    return indicator.name if kernel == "frozen" else f"{indicator.name}_{kernel}"


def network_for(indicator: Indicator) -> tuple[nn.Module, Tensor, Tensor]:
    """A network on the CPU that the indicator can score, with images and labels."""
    space, draw = NasBench201Space(), torch.Generator().manual_seed(0)
    cell = space.parse(CELL)
    torch.manual_seed(0)
    if indicator.proxy == "regions":
        network: nn.Module = space.region_network(10, space.mask_of(cell))
        initialise_(network, "fan_in", draw)
        images = torch.randn(50, 1, 3, 3, generator=draw)
    else:
        network = space.network(cell, channels=2, cells_per_stage=1)
        images = torch.randn(8, 3, 8, 8, generator=draw)
    return network, images, torch.arange(len(images)) % 10


def score(indicator: Indicator, device: torch.device, folder: Path) -> Figures:
    """Score one network."""
    network, images, labels = network_for(indicator)
    network = network.to(device)
    return {"score": indicator.score(network, images.to(device), labels.to(device))}


def trainer(device: torch.device, folder: Path, **arguments: Any) -> pl.Trainer:
    """A trainer on the device that says nothing."""
    quiet: dict[str, Any] = {
        "accelerator": "gpu" if device.type == "cuda" else "cpu",
        "devices": 1,
        "logger": False,
        "default_root_dir": folder,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }
    return pl.Trainer(**quiet | arguments)


@contextmanager
def _group_ends() -> Iterator[None]:
    try:
        yield
    finally:
        if is_initialized():
            destroy_process_group()


def _search(search: Any, device: torch.device, folder: Path, strategy: bool) -> Figures:
    """One round."""
    chosen = {"strategy": SearchStrategy(process_group_backend="gloo")} if strategy else {}
    with _group_ends():
        trainer(device, folder, max_epochs=1, **chosen).fit(search)
    failed = [c for entry in search.history for c in entry["candidates"] if "error" in c]
    if failed:
        raise AssertionError(f"evaluations failed: {failed[0]['error']}")
    return {
        f"{entry['candidate']} {name} {number}": value
        for block in search.history
        for entry in block["candidates"]
        for name, values in entry["scores"].items()
        for number, value in enumerate(values)
    }


def prune(strategy: bool, device: torch.device, folder: Path) -> Figures:
    """One round of pruning, by the scores of the paper; of ranks, by the cheaper one."""
    scores: list[Indicator] | None = [library.LinearRegions()] if strategy else None
    search = PruningSearch(
        DigitsDataModule(), "nasbench201", scores=scores, repeats=1, batch_size=4,
        supernet={"channels": 1}, reserve=3,
    )  # fmt: skip
    return _search(search, device, folder, strategy)


def sample(strategy: bool, device: torch.device, folder: Path) -> Figures:
    """One block of sampling, by indicators of both proxies."""
    chosen = library.RankAggregate([library.ActivationOverlap(), library.LinearRegions()])
    search = SamplingSearch(
        DigitsDataModule(), "nasbench201", samples=2, indicator=chosen, batch_size=8,
        network={"channels": 2, "cells_per_stage": 1},
    )  # fmt: skip
    return _search(search, device, folder, strategy)


def _sgd(parameters: Any) -> torch.optim.Optimizer:
    return SGD(parameters, lr=0.05, momentum=0.9)


def darts_classifier(in_shape: Sequence[int], **sizes: Any) -> ArchitectureClassifier:
    """A small network of the DARTS space with drop-path."""
    space = DartsSpace()
    text = space.format(space.random_architecture(torch.Generator().manual_seed(0)))
    return ArchitectureClassifier(
        space, text, in_shape, 10, {"cells": 3, **sizes}, drop_path=0.5, optimizer=_sgd
    )


def classifiers() -> dict[str, Callable[[], pl.LightningModule]]:
    """Every classifier by name, small."""
    shared: dict[str, Any] = {"optimizer": _sgd}
    cell = {"channels": 2, "cells_per_stage": 1}
    return {
        "mlp": lambda: DagMLPClassifier(DAG, SHAPE, 10, width=8, loss="mse", **shared),
        "convnet": lambda: DagConvClassifier(DAG, SHAPE, 10, width=2, batch_norm=True, **shared),
        "cell": lambda: ArchitectureClassifier("nasbench201", CELL, SHAPE, 10, cell, **shared),
        "space": lambda: DagSpaceClassifier(
            SHAPE, 10, dags=[DAG, "2_02_002"], width=8, repeats=2, **shared
        ),
        "supernet": lambda: SupernetClassifier(
            "nasbench201", SHAPE, 10, cell, validation_paths=1, **shared
        ),
        "darts": lambda: darts_classifier((1, 32, 32), channels=2, auxiliary=True),
    }


def digits(**arguments: Any) -> DigitsDataModule:
    """Digits, augmented on the device."""
    return DigitsDataModule(batch_size=32, augment="crop+cutout", **arguments)


class _Images32(pl.LightningDataModule):
    """Four images of 32×32."""

    def train_dataloader(self) -> Any:
        draw = torch.Generator().manual_seed(0)
        images = torch.randn(4, 1, 32, 32, generator=draw)
        return torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(images, torch.arange(4)), 2
        )

    val_dataloader = train_dataloader


def _data(name: str) -> pl.LightningDataModule:
    return _Images32() if name == "darts" else digits()


def weights(module: nn.Module) -> Figures:
    """The mean of every parameter, on the host."""
    return {name: float(p.detach().double().abs().mean()) for name, p in module.named_parameters()}


def train(name: str, device: torch.device, folder: Path) -> Figures:
    """Train an epoch, checkpoint, resume for another; the same as two epochs at once."""
    build = classifiers()[name]
    limits = {"limit_train_batches": 1 if name == "darts" else 2, "limit_val_batches": 1}
    checkpoint, ends = folder / "first.ckpt", []
    for path, callbacks in ((None, [_StopAfterOne()]), (checkpoint, []), (None, [])):
        torch.manual_seed(0)
        module = build()
        # Kernels that add in another order each time are no mistake of a resume.
        exact = {"deterministic": True} if torch.cuda.is_available() else {}
        fit = trainer(device, folder, max_epochs=2, callbacks=callbacks, **limits, **exact)
        fit.fit(module, _data(name), ckpt_path=path, weights_only=True)
        if callbacks:
            fit.save_checkpoint(checkpoint)
        ends.append(weights(module))
    _, resumed, whole = ends
    worst = max(abs(resumed[key] - whole[key]) for key in whole)
    if not worst <= 1e-6:
        raise AssertionError(f"{name}: a resumed run is {worst} away from the whole one")
    return whole


class _StopAfterOne(pl.Callback):
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.should_stop = True


def monitor(name: str, device: torch.device, folder: Path) -> Figures:
    """An epoch of training with one callback."""
    callback: pl.Callback = {
        "ntk": NTKMonitor(8),
        "ntk_coupled": NTKMonitor(4, batch_norm="coupled", output="trace"),
        "nngp": NNGPMonitor(8),
        "topology": TopologyMonitor(),
        "dag_space": DagSpaceReport(8),
    }[name]
    torch.manual_seed(0)
    module = classifiers()["space" if name == "dag_space" else "mlp"]()
    logger = pl.loggers.TensorBoardLogger(folder)
    fit = trainer(
        device, folder, max_epochs=1, limit_train_batches=2, limit_val_batches=1, logger=logger,
        callbacks=[callback], log_every_n_steps=1,
    )  # fmt: skip
    fit.fit(module, digits())
    figures = {key: float(value) for key, value in fit.logged_metrics.items()}
    return {key: value for key, value in figures.items() if math.isfinite(value)}


def predict(device: torch.device, folder: Path) -> Figures:
    """Write predictions."""
    torch.manual_seed(0)
    module = classifiers()["mlp"]()
    images = torch.randn(8, *SHAPE, generator=torch.Generator().manual_seed(0))
    loader: Any = torch.utils.data.DataLoader(images, 4)  # type: ignore[arg-type]
    run = trainer(device, folder, callbacks=[PredictionWriter()])
    run.predict(module, loader)
    return {}


MONITORS = ("ntk", "ntk_coupled", "nngp", "topology", "dag_space")
RUNS: dict[str, Run] = {
    **{f"score_{label(one)}": partial(score, one) for one in indicators()},
    "prune": partial(prune, False),
    "prune_strategy": partial(prune, True),
    "sample": partial(sample, False),
    "sample_strategy": partial(sample, True),
    **{f"train_{name}": partial(train, name) for name in classifiers()},
    **{f"monitor_{name}": partial(monitor, name) for name in MONITORS},
    "predict": predict,
}
"""By name. A run raises where the device is used wrongly."""
