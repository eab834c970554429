"""Training the network of an architecture: losses, drop-path, checkpoints, flags, monitors."""

import copy
import logging
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from callbacks import NTKMonitor, TopologyMonitor
from datamodules import DigitsDataModule
from models import ArchitectureClassifier
from models.spaces import NasBench201Space

CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|none~2|"
# Its network has modules of the same names and shapes.
TWIN = CELL.replace("avg_pool_3x3~1", "skip_connect~1")
GENOTYPE = (Path(__file__).parents[1] / "data" / "darts_v2.txt").read_text().strip()


def batch(n: int = 8, channels: int = 3, size: int = 32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, channels, size, size, generator=generator), torch.arange(n) % 10


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1)


def cell(**kwargs: Any) -> ArchitectureClassifier:
    sizes = {"channels": 4, "cells_per_stage": 1}
    arguments = {"sizes": sizes, "optimizer": sgd} | kwargs
    return ArchitectureClassifier(
        "nasbench201", arguments.pop("architecture", CELL), (1, 8, 8), 10, **arguments
    )


def darts(**kwargs: Any) -> ArchitectureClassifier:
    sizes = {"channels": 2, "cells": 3, "auxiliary": True}
    arguments = {"sizes": sizes, "optimizer": sgd} | kwargs
    return ArchitectureClassifier("darts", GENOTYPE, (3, 32, 32), 10, **arguments)


def digits() -> DigitsDataModule:
    return DigitsDataModule(batch_size=256)


def same(first: nn.Module, second: nn.Module) -> bool:
    states = first.state_dict(), second.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_one_step_is_one_step_of_plain_torch(trainer: Any) -> None:
    model = darts(auxiliary_weight=0.3, label_smoothing=0.1)
    twin = copy.deepcopy(model.network).train()
    images, labels = batch()
    trainer(max_steps=1).fit(model, DataLoader(TensorDataset(images, labels), 8))

    optimizer = sgd(twin.parameters())
    target = 0.9 * torch.eye(10)[labels] + 0.1 / 10

    def cross_entropy(logits: Tensor) -> Tensor:
        return -(target * logits.log_softmax(1)).sum(1).mean()

    logits, auxiliary = twin.logits_and_auxiliary(images)
    (cross_entropy(logits) + 0.3 * cross_entropy(auxiliary)).backward()
    optimizer.step()
    for ours, theirs in zip(model.network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_logged_losses(trainer: Any) -> None:
    model = darts(label_smoothing=0.2, optimizer=lambda p: torch.optim.SGD(p, lr=0.0))
    images, labels = batch()
    run = trainer()
    loader = DataLoader(TensorDataset(images, labels), 8)
    run.fit(model, loader, loader)
    model.network.eval()
    plain = F.cross_entropy(model(images), labels)
    torch.testing.assert_close(run.callback_metrics["val/loss"], plain)
    model.network.train()
    smoothed = F.cross_entropy(model(images), labels, label_smoothing=0.2)
    torch.testing.assert_close(run.callback_metrics["train/loss"], smoothed)


def test_drop_path_grows_with_the_epochs(trainer: Any) -> None:
    seen = []

    class Watch(pl.Callback):
        def on_train_batch_start(self, _: Any, module: Any, *__: Any) -> None:
            seen.append(module.network.drop_path)

    loader = DataLoader(TensorDataset(*batch()), 8)
    trainer(max_epochs=4, callbacks=[Watch()]).fit(darts(drop_path=0.2), loader)
    assert seen == pytest.approx([0, 0.05, 0.1, 0.15])


def test_drop_path_leaves_the_global_random_state_alone_and_draws_anew(trainer: Any) -> None:
    model = darts(drop_path=0.5)
    model.trainer = trainer()
    model.network.drop_path = 0.5
    state = torch.get_rng_state()
    losses = [float(model.training_step(batch(), step)) for step in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), state)
    assert losses[0] == losses[1] != losses[2]


def test_drop_path_needs_a_number_of_epochs(trainer: Any) -> None:
    loader = DataLoader(TensorDataset(*batch()), 8)
    with pytest.raises(ValueError, match=r"drop_path: grows over trainer\.max_epochs"):
        trainer(max_epochs=-1, max_steps=1).fit(darts(drop_path=0.2), loader)


def test_published_sizes_are_said(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    caplog.set_level("INFO", logger.name)
    sizes = {"stem": "imagenet", "auxiliary": True}
    model = ArchitectureClassifier("darts", GENOTYPE, (3, 224, 224), 1000, sizes=sizes)
    logger.addHandler(caplog.handler)
    model._report_size()
    logger.removeHandler(caplog.handler)
    assert "4,718,752 parameters and " in caplog.text
    assert ", 529.9 M multiply–adds for an image of 3×224×224" in caplog.text
    cifar = ArchitectureClassifier("darts", GENOTYPE, (3, 32, 32), 10)
    assert sum(p.numel() for p in cifar.parameters()) == 3_349_342
    benchmark = ArchitectureClassifier("nasbench201", CELL, (3, 32, 32), 10)
    assert benchmark.cost.multiply_adds > 1e7


def test_too_large_for_the_mobile_setting() -> None:
    sizes = {"stem": "imagenet", "channels": 52}
    with pytest.warns(UserWarning, match=r"6\d\d\.\d M multiply–adds: .* less than 600 M"):
        ArchitectureClassifier("darts", GENOTYPE, (3, 224, 224), 1000, sizes=sizes)._report_size()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"space": "nasbench"}, "space: expected one of darts, .*nasbench201"),
        ({"space": "darts"}, "is of the space nasbench201, expected darts"),
        ({"architecture": "|x~0|"}, "architecture: NAS-Bench-201 cell: "),
        ({"in_shape": (32, 32)}, r"in_shape: expected \(channels, height, width\), got \(32, 32\)"),
        ({"sizes": {"cells": 3}}, "sizes: nasbench201 networks have no 'cells'; allowed: channels"),
        ({"sizes": {"channels": 0}}, "sizes: channels: expected 1 or more, got 0"),
        ({"auxiliary_weight": -1}, "auxiliary_weight: expected 0 or more, got -1"),
        ({"drop_path": 1}, r"drop_path: expected a value in \[0, 1\), got 1"),
        ({"drop_path": 0.1}, "drop_path: expected 0, networks of nasbench201 have none"),
        ({"label_smoothing": -0.1}, r"label_smoothing: expected a value in \[0, 1\), got -0.1"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    given = {"space": "nasbench201", "architecture": CELL, "in_shape": (1, 8, 8), "num_classes": 10}
    with pytest.raises(ValueError, match=message):
        ArchitectureClassifier(**given | arguments)


def test_an_auxiliary_head_needs_its_images() -> None:
    sizes = {"channels": 2, "cells": 3, "auxiliary": True}
    with pytest.raises(ValueError, match="in_shape: the network cannot take images of 3×8×8: "):
        ArchitectureClassifier("darts", GENOTYPE, (3, 8, 8), 10, sizes=sizes)


# Checkpoints --------------------------------------------------------------------------------------


def test_checkpoint_loads_without_arguments(tmp_path: Path, trainer: Any) -> None:
    path = tmp_path / "model.ckpt"
    file = tmp_path / "architecture.json"
    file.write_text('{"architecture": "' + CELL + '", "space": "nasbench201"}')
    model = ArchitectureClassifier(
        NasBench201Space(), str(file), (1, 8, 8), 10, sizes={"channels": 4}
    )
    run = trainer(limit_train_batches=1)
    run.fit(model, digits())
    run.save_checkpoint(path)
    file.unlink()  # a checkpoint does not depend on it
    stored = torch.load(path, weights_only=True)["hyper_parameters"]
    assert (stored["space"], stored["architecture"]) == ("nasbench201", CELL)
    loaded = ArchitectureClassifier.load_from_checkpoint(path, weights_only=True)
    assert loaded.architecture == model.architecture
    assert loaded.topology() is loaded.architecture.graph
    images, _ = batch(channels=1, size=8)
    torch.testing.assert_close(loaded.eval()(images), model.eval()(images))


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path: Path, trainer: Any) -> None:
    run = trainer(limit_train_batches=1)
    run.fit(cell(), digits())
    run.save_checkpoint(tmp_path / "model.ckpt")
    with pytest.raises(
        ValueError, match=r"ckpt_path: the checkpoint is of the architecture .*, not"
    ):
        trainer().fit(cell(architecture=TWIN), digits(), ckpt_path=tmp_path / "model.ckpt")


def test_images_of_another_size_are_noticed(tmp_path: Path, trainer: Any) -> None:
    run = trainer(limit_train_batches=1)
    run.fit(darts(sizes={"channels": 2, "cells": 3}), DataLoader(TensorDataset(*batch()), 8))
    run.save_checkpoint(tmp_path / "model.ckpt")
    other = ArchitectureClassifier(
        "darts", GENOTYPE, (3, 16, 16), 10, sizes={"channels": 2, "cells": 3}
    )
    images = DataLoader(batch(size=16)[0], 8)
    with pytest.warns(UserWarning, match="trained on images of 3×32×32, now given 3×16×16"):
        trainer().predict(other, images, ckpt_path=tmp_path / "model.ckpt")


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, trainer: Any) -> None:
    def run(until: int, path: Path | None = None) -> tuple[pl.Trainer, ArchitectureClassifier]:
        torch.manual_seed(1 if path is None else 99)
        model = darts(drop_path=0.4)

        class Stop(pl.Callback):
            def on_train_epoch_end(self, trainer: pl.Trainer, _: Any) -> None:
                trainer.should_stop = trainer.current_epoch + 1 == until

        fit = trainer(max_epochs=4, callbacks=[Stop()])
        fit.fit(model, DataLoader(TensorDataset(*batch(16)), 8), ckpt_path=path)
        return fit, model

    _, expected = run(4)
    half, _ = run(2)
    half.save_checkpoint(tmp_path / "half.ckpt")
    _, resumed = run(4, tmp_path / "half.ckpt")
    assert same(expected, resumed)


# What Lightning and torch bring -------------------------------------------------------------------


def test_averaged_weights_are_what_is_kept(tmp_path: Path, trainer: Any) -> None:
    path = tmp_path / "average.ckpt"

    class Save(pl.Callback):
        def on_train_epoch_end(self, trainer: pl.Trainer, _: Any) -> None:
            if trainer.current_epoch == 1:
                trainer.save_checkpoint(path)

    def run(ckpt_path: Path | None = None) -> ArchitectureClassifier:
        torch.manual_seed(1 if ckpt_path is None else 99)
        model = darts(drop_path=0.2)
        average = EMAWeightAveraging(decay=0.9)
        arguments = {"precision": "bf16-mixed", "accumulate_grad_batches": 2, "max_epochs": 3}
        fit = trainer(callbacks=[average, Save()], **arguments)
        fit.fit(model, DataLoader(TensorDataset(*batch(16)), 4), ckpt_path=ckpt_path)
        return model

    expected = run()
    loaded = ArchitectureClassifier.load_from_checkpoint(path, weights_only=True)
    content = torch.load(path, weights_only=True)
    weights = content["current_model_state"]
    assert not torch.equal(loaded.network.stem[0].weight, weights["network.stem.0.weight"])
    assert same(expected, run(path))


def test_synchronised_batch_norm_keeps_the_names() -> None:
    model = darts()
    names = list(model.state_dict())
    converted: Any = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert list(converted.state_dict()) == names
    assert not any(type(m) is nn.BatchNorm2d for m in converted.modules())


def test_compiled_is_the_same_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainer: Any
) -> None:
    torch.compiler.reset()
    compile_ = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self: compile_(self, backend="eager"))
    loader = DataLoader(TensorDataset(*batch(8, 1, 8)), 8)
    plain, compiled = cell(), cell(compile=True)
    compiled.network.load_state_dict(plain.network.state_dict())
    for model in (plain, compiled):
        run = trainer(max_epochs=2)
        run.fit(model, loader)
        run.save_checkpoint(tmp_path / "compiled.ckpt")
    assert compiled.network._compiled_call_impl is not None
    evaluated = cell(compile=True)
    trainer().predict(evaluated, loader, ckpt_path=tmp_path / "compiled.ckpt")
    assert evaluated.network._compiled_call_impl is None
    for ours, theirs in zip(compiled.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    loaded = ArchitectureClassifier.load_from_checkpoint(
        tmp_path / "compiled.ckpt", weights_only=True, compile=False
    )
    assert same(loaded, compiled)


def test_growing_drop_path_compiles_twice(monkeypatch: pytest.MonkeyPatch, trainer: Any) -> None:
    torch.compiler.reset()
    count = CompileCounter()
    compile_ = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self: compile_(self, backend=count))
    loader = DataLoader(TensorDataset(*batch()), 8)
    trainer(max_epochs=5).fit(darts(drop_path=0.4, compile=True), loader)
    assert count.frame_count == 2  # without, and with


@pytest.mark.parametrize("make", [cell, darts])
def test_monitors(make: Any, tmp_path: Path, trainer: Any) -> None:
    logger = pl.loggers.CSVLogger(tmp_path)
    model = make(drop_path=0.3) if make is darts else make()
    channels, size, _ = model.in_shape
    monitors = [TopologyMonitor(), NTKMonitor(probe_size=4)]
    run = trainer(max_epochs=2, logger=logger, log_every_n_steps=1, callbacks=monitors)
    run.fit(model, DataLoader(TensorDataset(*batch(8, channels, size)), 8))
    depth = "effective_depth" if make is cell else "effective_depth/normal"
    assert {depth, "ntk/log10_condition_number"} <= set(run.callback_metrics)
    assert run.callback_metrics["ntk/log10_condition_number"].isfinite()


def test_the_kernel_is_measured_without_compiling(
    monkeypatch: pytest.MonkeyPatch, trainer: Any
) -> None:
    torch.compiler.reset()
    count = CompileCounter()
    compile_ = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self: compile_(self, backend=count))
    images, labels = batch(10, 1, 8)
    loader = DataLoader(TensorDataset(images, labels), 10)
    plain, compiled = cell(), cell(compile=True)
    compiled.network.load_state_dict(plain.network.state_dict())
    measured = []
    for model in (plain, compiled):
        run = trainer(max_epochs=3, callbacks=[NTKMonitor(probe_size=4)])
        run.fit(model, loader)
        measured.append(run.callback_metrics["ntk/lambda_max"])
    assert count.frame_count == 1
    assert measured[0] == measured[1]
