"""Training a supernet: one path a step, shared weights, resume, ranks."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset, TensorDataset

from datamodules import DigitsDataModule
from lightning_app.process_group import leave_group_at_exit
from models import ArchitectureClassifier, SupernetClassifier
from models.export import export
from models.seeding import generator
from models.spaces import DartsSpace, NasBench201Space
from models.spaces.paths import random_path

CONFIG = Path(__file__).parents[2] / "configs" / "train_supernet_digits.yaml"
SIZES = {"channels": 2, "cells_per_stage": 1}
CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|none~2|"


def images(n: int = 16, size: int = 8) -> TensorDataset:
    random = torch.Generator().manual_seed(0)
    return TensorDataset(torch.randn(n, 1, size, size, generator=random), torch.arange(n) % 10)


def loader(n: int = 16, batch_size: int = 4) -> DataLoader[Any]:
    return DataLoader(images(n), batch_size)


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.01)


def supernet(space: Any = "nasbench201", **kwargs: Any) -> SupernetClassifier:
    sizes = SIZES if space == "nasbench201" else {"channels": 2, "cells": 3}
    arguments = {"sizes": sizes, "validation_paths": 2, "optimizer": sgd} | kwargs
    return SupernetClassifier(space, (1, 8, 8), 10, **arguments)


def same(first: nn.Module, second: nn.Module) -> bool:
    states = first.state_dict(), second.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def paths(model: SupernetClassifier, steps: int) -> list[Tensor]:
    return [random_path(model.space, generator(model.seed, "path", step)) for step in range(steps)]


class Watch(pl.Callback):
    """Keeps the mask and the parameters after every batch."""

    def __init__(self) -> None:
        self.masks: list[Tensor] = []
        self.parameters: list[dict[str, Tensor]] = []

    def on_train_batch_end(self, _: Any, module: Any, *__: Any) -> None:
        self.masks.append(module.network.mask)
        self.parameters.append({n: p.detach().clone() for n, p in module.named_parameters()})


def on_path(model: SupernetClassifier, mask: Tensor) -> set[str]:
    """Parameters outside of cells, and those of the operations that a mask keeps, by name."""
    network = model.network
    names = {name for name, _ in model.named_parameters()}
    kept = {
        f"{edge}_{operation}"
        for edge, row in enumerate(mask[0].tolist())
        for operation, keep in zip(network.operations, row, strict=True)
        if keep
    }
    return {n for n in names if ".own." not in n or n.split(".own.")[1].split(".")[0] in kept}


# A step -------------------------------------------------------------------------------------------


def test_a_step_changes_only_what_is_on_its_path(trainer: Any) -> None:
    model, watch = supernet(), Watch()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    trainer(callbacks=[watch]).fit(model, loader())
    assert len(watch.masks) == 4
    for mask, after in zip(watch.masks, watch.parameters, strict=True):
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        allowed = on_path(model, mask)
        assert changed <= allowed < set(before)
        # What is on the path but does not move feeds a node that leads nowhere.
        assert "network.head.4.weight" in changed
        before = after
    assert all(
        torch.equal(*pair) for pair in zip(watch.masks, paths(model, len(watch.masks)), strict=True)
    )


def test_steps_are_those_of_plain_torch(trainer: Any) -> None:
    model = supernet()
    twin = NasBench201Space().supernet(10, 1, **SIZES).train()
    twin.load_state_dict(model.network.state_dict(), strict=False)  # it has running statistics
    trainer().fit(model, loader())
    optimizer = sgd(twin.parameters())
    for mask, (x, y) in zip(paths(model, 4), loader(), strict=True):
        twin.mask = mask
        optimizer.zero_grad()
        F.cross_entropy(twin(x), y).backward()
        optimizer.step()
    for ours, theirs in zip(model.network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_accumulated_batches_share_a_path(trainer: Any) -> None:
    watch = Watch()
    model = supernet()
    trainer(callbacks=[watch], accumulate_grad_batches=2).fit(model, loader())
    first, second = paths(model, 2)
    expected = [first, first, second, second]
    assert all(torch.equal(*pair) for pair in zip(watch.masks, expected, strict=True))


def test_the_path_does_not_touch_the_global_random_state_and_follows_the_seed(trainer: Any) -> None:
    model, other = supernet(), supernet(seed=1)
    for each in (model, other):
        each.trainer = trainer()
    batch = next(iter(loader()))
    state = torch.get_rng_state()
    for each in (model, other):
        each.training_step(batch, 0)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(model.network.mask, other.network.mask)


def test_darts_trains_too(trainer: Any) -> None:
    model, watch = supernet(DartsSpace()), Watch()
    run = trainer(callbacks=[watch])
    run.fit(model, loader(), loader())
    assert run.callback_metrics["val/loss"].isfinite()
    for mask in watch.masks:
        assert model.space.architecture_of(mask)


# Evaluation ---------------------------------------------------------------------------------------


def test_validation_is_the_mean_over_fixed_paths_of_plain_accuracy(trainer: Any) -> None:
    model = supernet(validation_paths=3)
    batches = list(loader(12))
    run = trainer()
    for stage in (run.validate, run.test):
        figures = stage(model, loader(12), verbose=False)[0]
        twin = NasBench201Space().supernet(10, 1, **SIZES).train()  # statistics of the batch
        twin.load_state_dict(model.network.state_dict(), strict=False)
        right, loss = 0, 0.0
        for i in range(3):
            twin.mask = random_path(model.space, generator(0, "validation", i))
            for x, y in batches:
                logits = twin(x)
                right += int((logits.argmax(1) == y).sum())
                loss += F.cross_entropy(logits, y, reduction="sum").item()
        name = "val" if stage == run.validate else "test"
        assert figures[f"{name}/accuracy"] == pytest.approx(right / 36)
        assert figures[f"{name}/loss"] == pytest.approx(loss / 36, rel=1e-5)


def test_both_modes_take_the_statistics_of_the_batch() -> None:
    model = supernet()
    assert not any("running" in name or "tracked" in name for name in model.state_dict())
    x = images().tensors[0]
    assert torch.equal(model.train()(x), model.eval()(x))
    assert not torch.allclose(model(x)[:4], model(x[:4]))


def test_images_class_by_class_are_warned_of(trainer: Any) -> None:
    batch = (images().tensors[0], torch.full((16,), 3))
    with pytest.warns(UserWarning, match="a batch to evaluate on is of one class: .* mix the clas"):
        trainer().validate(supernet(), DataLoader(TensorDataset(*batch), 8), verbose=False)


def test_there_is_nothing_to_predict_with_or_to_export(tmp_path: Path, trainer: Any) -> None:
    with pytest.raises(MisconfigurationException, match="a supernet is no one network; train a"):
        trainer().predict(supernet(), loader())
    with pytest.raises(ValueError, match=r"output: cannot export a NasBench201Supernet"):
        export(supernet(), tmp_path / "supernet.pt2")
    assert not any(tmp_path.iterdir())


# Checkpoints --------------------------------------------------------------------------------------


def test_checkpoint_loads_without_arguments(tmp_path: Path, trainer: Any) -> None:
    model = SupernetClassifier(NasBench201Space(), (1, 8, 8), 10, SIZES, seed=3)
    run = trainer(limit_train_batches=1)
    run.fit(model, DigitsDataModule())
    run.save_checkpoint(tmp_path / "supernet.ckpt")
    loaded = SupernetClassifier.load_from_checkpoint(tmp_path / "supernet.ckpt", weights_only=True)
    assert same(loaded, model)
    assert (loaded.seed, loaded.sizes, loaded.space.name) == (3, SIZES, "nasbench201")


def test_checkpoints_of_something_else_are_refused(tmp_path: Path, trainer: Any) -> None:
    path = tmp_path / "other.ckpt"
    cell = ArchitectureClassifier("nasbench201", CELL, (1, 8, 8), 10, SIZES)
    for other, message in (
        (supernet("darts"), "ckpt_path: the checkpoint is of the space darts, not nasbench201"),
        (cell, "ckpt_path: this checkpoint holds no supernet"),
    ):
        run = trainer(limit_train_batches=1)
        run.fit(other, loader())
        run.save_checkpoint(path)
        with pytest.raises(ValueError, match=message):
            trainer().fit(supernet(), loader(), ckpt_path=path)


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, trainer: Any) -> None:
    def run(until: int, path: Path | None = None) -> tuple[pl.Trainer, SupernetClassifier]:
        torch.manual_seed(1 if path is None else 99)
        model = supernet()

        class Stop(pl.Callback):
            def on_train_epoch_end(self, trainer: pl.Trainer, _: Any) -> None:
                trainer.should_stop = trainer.current_epoch + 1 == until

        fit = trainer(max_epochs=4, callbacks=[Stop()])
        fit.fit(model, loader(), loader(), ckpt_path=path)
        return fit, model

    _, expected = run(4)
    half, _ = run(2)
    half.save_checkpoint(tmp_path / "half.ckpt")
    _, resumed = run(4, tmp_path / "half.ckpt")
    assert same(expected, resumed)


# Arguments ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"space": "nasbench"}, "space: expected one of darts, .*nasbench201"),
        ({"in_shape": (8, 8)}, r"in_shape: expected \(channels, height, width\), got \(8, 8\)"),
        ({"sizes": {"cells": 3}}, "sizes: nasbench201 supernets have no 'cells'; allowed: channe"),
        ({"sizes": {"channels": 0}}, "sizes: channels: expected 1 or more, got 0"),
        ({"validation_paths": 0}, "validation_paths: expected 1 or more, got 0"),
        ({"seed": -1}, "seed: expected 0 or more, got -1"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    given = {"space": "nasbench201", "in_shape": (1, 8, 8), "num_classes": 10}
    with pytest.raises(ValueError, match=message):
        SupernetClassifier(**given | arguments)


# Real processes -----------------------------------------------------------------------------------

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


@pytest.mark.slow
def test_two_processes_train_the_same_path(tmp_path: Path) -> None:
    """A step of two ranks: the mean gradient of their batches on one path, the rest untouched."""
    # The folders beside this file have the names of our packages.
    environment = ENVIRONMENT | {"PYTHONSAFEPATH": "1"}
    subprocess.run([sys.executable, __file__, str(tmp_path)], env=environment, check=True)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    torch.manual_seed(0)
    model = supernet()
    network = model.network.train()
    optimizer = sgd(network.parameters())
    halves = [DataLoader(share(rank), 4) for rank in range(2)]
    for step, batches in enumerate([*zip(*halves, strict=True)] * 2):
        network.mask = random_path(model.space, generator(0, "path", step))
        optimizer.zero_grad()
        for x, y in batches:
            (F.cross_entropy(network(x), y) / 2).backward()
        optimizer.step()
    for name, expected in network.state_dict().items():
        assert torch.equal(first[f"network.{name}"], second[f"network.{name}"])
        torch.testing.assert_close(first[f"network.{name}"], expected)


def share(rank: int) -> Subset[Any]:
    """Every second image."""
    return Subset(images(), range(rank, 16, 2))


def two_processes(folder: Path) -> None:
    def fit(strategy: str) -> None:
        torch.manual_seed(0)
        model = supernet()
        off = dict.fromkeys(("logger", "enable_checkpointing", "use_distributed_sampler"), False)
        run = pl.Trainer(accelerator="cpu", devices=2, strategy=strategy, max_epochs=2, **off)
        rank = int(os.environ.get("LOCAL_RANK", 0))
        run.fit(model, DataLoader(share(rank), 4))
        torch.save(model.state_dict(), folder / f"{run.global_rank}.pt")

    with pytest.raises(MisconfigurationException, match=r"trainer\.strategy: a path leaves param"):
        fit("ddp")
    fit("ddp_find_unused_parameters_true")


if __name__ == "__main__":
    two_processes(Path(sys.argv[1]))
    leave_group_at_exit()
