"""A space of DAGs in one fit, against fits of its members one after another."""

import logging
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.nn import functional as F
from torch.optim import SGD, Adam

from datamodules import DigitsDataModule
from lightning_app.cli import main
from models.classifiers.dag_classifier import DagMLPClassifier
from models.classifiers.dag_space_classifier import DagSpaceClassifier
from models.topology import Dag

DAGS = ["2_02_002", "1_01_222", "2_21_112", "2_21_112", "0_00_100"]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


def data(**arguments: Any) -> DigitsDataModule:
    return DigitsDataModule(**({"batch_size": 64, "validation": 0} | arguments))


def trainer(epochs: int, **arguments: Any) -> pl.Trainer:
    return pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        **({"logger": False, "enable_checkpointing": False} | arguments),
    )


def space(**arguments: Any) -> DagSpaceClassifier:
    defaults = {
        "in_shape": (1, 8, 8),
        "num_classes": 10,
        "dags": DAGS,
        "width": 8,
        "optimizer": lambda parameters: SGD(parameters, lr=0.05, momentum=0.9),
    }
    return DagSpaceClassifier(**(defaults | arguments))


class EpochLosses(pl.Callback):
    """What a fit logs of training."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, float]] = []

    def _read(self, trainer: pl.Trainer) -> None:
        values = trainer.callback_metrics
        if values:
            self.seen.append((float(values["train/loss"]), float(values["train/accuracy"])))

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._read(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._read(trainer)


@pytest.mark.parametrize(
    "make_optimizer",
    [
        lambda parameters: SGD(parameters, lr=0.05, momentum=0.9, weight_decay=1e-3),
        lambda parameters: Adam(parameters, lr=1e-3),
    ],
    ids=["sgd", "adam"],
)
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_each_member_is_what_a_fit_of_it_alone_gives(make_optimizer: Any, loss: Any) -> None:
    model = space(optimizer=make_optimizer, loss=loss)
    trainer(2).fit(model, data())
    for index, dag in enumerate(DAGS):
        alone = DagMLPClassifier(dag, (1, 8, 8), 10, width=8, loss=loss, optimizer=make_optimizer)
        alone.network.load_state_dict(model.initial_network(index).state_dict())
        losses = EpochLosses()
        trainer(2, callbacks=[losses]).fit(alone, data())
        torch.testing.assert_close(
            model.population.network(index).state_dict(),
            alone.network.state_dict(),
            rtol=1e-4,
            atol=1e-5,
        )
        assert len(losses.seen) == 2
        for epoch, (expected_loss, expected_accuracy) in enumerate(losses.seen, start=1):
            figures = {name: values[epoch][index] for name, values in model.history.items()}
            assert float(figures["train/loss"]) == pytest.approx(expected_loss, rel=1e-4)
            # One sample of 1,438 may fall on the other side of a rounding.
            assert float(figures["train/accuracy"]) == pytest.approx(expected_accuracy, abs=1e-3)


def test_losses_are_per_member() -> None:
    labels = torch.tensor([1, 0, 2])
    logits = torch.randn(len(DAGS), 3, 10)
    cross_entropy, mse = space().losses(logits, labels), space(loss="mse").losses(logits, labels)
    for k, own in enumerate(logits):
        torch.testing.assert_close(cross_entropy[k], F.cross_entropy(own, labels))
        one_hot = torch.eye(10)[labels]
        torch.testing.assert_close(mse[k], F.mse_loss(own, one_hot))


def test_epochs_to_reach_is_the_first_epoch_at_the_target() -> None:
    model = space(dags=["1", "2", "1_12"], target_accuracy=0.5)
    model._history["train/accuracy"] = {
        1: torch.tensor([0.1, 0.5, 0.1]),
        2: torch.tensor([0.6, 0.4, 0.2]),
        3: torch.tensor([0.4, 0.9, 0.3]),
    }
    assert model.epochs_to_reach().tolist() == [2.0, 1.0, float("inf")]


def test_what_is_logged() -> None:
    model = space(target_accuracy=0.5)
    fit = trainer(2)
    fit.fit(model, data(validation=0.2))
    for stage in ("train", "val"):
        for name in ("loss", "accuracy"):
            history = model.history[f"{stage}/{name}"]
            assert list(history) == [1, 2]
            assert float(fit.callback_metrics[f"{stage}/{name}"]) == pytest.approx(
                float(history[2].mean())
            )
            assert history[1].shape == (len(DAGS),)
    reached = (torch.stack(list(model.history["train/accuracy"].values())) >= 0.5).any(0)
    assert float(fit.callback_metrics["train/reached"]) == pytest.approx(
        float(reached.float().mean())
    )
    (tested,) = fit.test(model, data(), verbose=False)
    assert set(tested) == {"test/loss", "test/accuracy"}
    probabilities = torch.cat(fit.predict(model, data()))
    assert probabilities.shape == (359, len(DAGS), 10)
    torch.testing.assert_close(probabilities.sum(2), torch.ones(359, len(DAGS)))


def test_a_resumed_fit_goes_on_with_weights_and_history(tmp_path: Path) -> None:
    whole = space()
    trainer(3).fit(whole, data())
    first = trainer(2, default_root_dir=tmp_path)
    first.fit(space(), data())
    path = tmp_path / "two.ckpt"
    first.save_checkpoint(path)
    resumed = space()
    trainer(3).fit(resumed, data(), ckpt_path=path, weights_only=True)
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)
    assert list(resumed.history["train/accuracy"]) == [1, 2, 3]
    for name, values in whole.history.items():
        torch.testing.assert_close(resumed.history[name], values, rtol=0, atol=0)
    loaded = DagSpaceClassifier.load_from_checkpoint(path, weights_only=True)
    assert [str(member.dag) for member in loaded.members] == DAGS


def test_a_member_that_diverges_stops_no_other() -> None:
    weights, member = space().state_dict(), 1
    weights["network.stem.weight"][member] = torch.nan
    model, alone = space(), space()
    model.load_state_dict(weights)
    trainer(2).fit(model, data())
    trainer(2).fit(alone, data())
    losses, expected = (m.history["train/loss"][2] for m in (model, alone))
    assert losses[member].isnan()
    others = [index for index in range(len(DAGS)) if index != member]
    assert torch.equal(losses[others], expected[others])


def test_training_ends_where_every_member_has_diverged(tmp_path: Path) -> None:
    model = space(optimizer=lambda parameters: SGD(parameters, lr=1e20))
    fit = trainer(2, default_root_dir=tmp_path, enable_checkpointing=True)
    with pytest.raises(ValueError, match=r"train/loss: nan at batch \d+ of epoch 0"):
        fit.fit(model, data())
    assert not list(tmp_path.rglob("*.ckpt"))


class _Interrupted(pl.Callback):
    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == 3:
            raise RuntimeError("stop")


def test_a_fit_after_an_interrupted_one_starts_its_figures_anew() -> None:
    model, whole = space(), space()
    with pytest.raises(RuntimeError, match="stop"):
        trainer(1, callbacks=[_Interrupted()]).fit(model, data())
    model.load_state_dict(space().state_dict())
    for one in (model, whole):
        pl.seed_everything(0, verbose=False)
        trainer(1).fit(one, data())
    assert torch.equal(model.history["train/accuracy"][1], whole.history["train/accuracy"][1])


def test_checkpoints_hold_wirings_as_text(tmp_path: Path) -> None:
    fit = trainer(1)
    fit.fit(space(dags=[Dag.parse(dag) for dag in DAGS]), data())
    fit.save_checkpoint(tmp_path / "one.ckpt")
    checkpoint = torch.load(tmp_path / "one.ckpt", weights_only=True)
    assert checkpoint["hyper_parameters"]["dags"] == DAGS
    assert not [name for name in checkpoint["state_dict"] if not name.startswith("network.")]
    loaded = DagSpaceClassifier.load_from_checkpoint(tmp_path / "one.ckpt", weights_only=True)
    assert [str(member.dag) for member in loaded.members] == DAGS


@pytest.mark.usefixtures("command_line")
def test_command_line_resumes_and_tests_from_a_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(Path(__file__).parents[2] / "configs" / "dag_space_digits.yaml")
    run = [f"--config={config}", "--trainer.logger=false", "--trainer.callbacks=null"]
    few = ['--model.dags=["2_02_002", "1_01_222"]', f"--trainer.default_root_dir={tmp_path}"]
    main(["fit", *run, *few, "--trainer.max_epochs=1", "--test_after_fit=false"])
    (path,) = (tmp_path / "checkpoints").glob("epoch*")
    main(["fit", *run, *few, "--trainer.max_epochs=2", f"--ckpt_path={path}"])
    (resumed,) = set((tmp_path / "checkpoints").glob("epoch*")) - {path}
    assert [torch.load(p, weights_only=True)["epoch"] for p in (path, resumed)] == [0, 1]
    capsys.readouterr()
    main(["test", *run, f"--ckpt_path={resumed}"])
    assert "test/accuracy" in capsys.readouterr().out


def test_members_of_a_whole_space() -> None:
    members = space(dags="distinct", repeats=2, width=2).members
    assert len(members) == 520
    assert [member.repeat for member in members[:4]] == [0, 1, 0, 1]
    assert len(space(dags="all", width=2).members) == 662
    assert len(space(dags="distinct", nodes=3, width=2).members) == 14


def test_clipping_by_norm_is_refused_and_by_value_is_not() -> None:
    with pytest.raises(MisconfigurationException, match="norm over all members"):
        trainer(1, gradient_clip_val=1.0).fit(space(), data())
    trainer(1, gradient_clip_val=1.0, gradient_clip_algorithm="value").fit(space(), data())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dags": "some"}, "dags: expected a list of at least one DAG string, .* got 'some'"),
        ({"dags": ["2_0"]}, "group 2 of '2_0'"),
        ({"dags": ["2_00"]}, "'2_00' has no path from input to output"),
        ({"dags": []}, r"dags: expected a list of at least one DAG string, .* got \[\]"),
        ({"dags": None}, "dags: expected a list of at least one DAG string, .* got None"),
        ({"dags": [2]}, "dag: expected a string such as '2_21_112', got 2"),
        ({"width": 0}, "width: expected 1 or more, got 0"),
        ({"repeats": 0}, "repeats: expected 1 or more, got 0"),
        ({"target_accuracy": 1.5}, "target_accuracy: .* got 1.5"),
        ({"loss": "hinge"}, "loss: expected 'cross_entropy' or 'mse', got 'hinge'"),
        ({"dags": "all", "nodes": 1}, "nodes: expected 2 or more, got 1"),
    ],
)
def test_errors(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        space(**arguments)


def test_images_of_another_shape_are_flattened_as_in_a_member() -> None:
    model = space(in_shape=(3, 2, 2))
    x: Tensor = torch.randn(4, 3, 2, 2)
    for index in range(len(DAGS)):
        torch.testing.assert_close(model(x)[index], model.initial_network(index)(x))
