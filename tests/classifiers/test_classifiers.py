"""Training steps, metrics, optimizers and checkpoints of the classifiers."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import MulticlassAccuracy

from datamodules import DigitsDataModule
from models import DagConvClassifier, DagMLPClassifier, ImageClassifier
from models.classifiers.metrics import ClassificationMetrics
from models.topology import Dag

SHAPE, CLASSES = (1, 8, 8), 10


def batch(n: int = 20, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(n, *SHAPE, generator=generator)
    return images, torch.arange(n) % CLASSES


def loader(n: int = 20, batch_size: int = 8) -> DataLoader[Any]:
    return DataLoader(TensorDataset(*batch(n)), batch_size)


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)


def steps(optimizer: torch.optim.Optimizer) -> Any:
    return torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)


def classifier(**kwargs: Any) -> DagMLPClassifier:
    return DagMLPClassifier("2_21_112", SHAPE, CLASSES, **{"width": 16} | kwargs)


@pytest.mark.parametrize(
    "model",
    [classifier(), classifier(batch_norm=True), DagConvClassifier("2_21_112", SHAPE, 10, width=4)],
)
def test_topology_and_output(model: Any) -> None:
    assert model.topology() == Dag.parse("2_21_112")
    assert model(batch()[0]).shape == (20, CLASSES)


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_one_step_is_one_step_of_plain_torch(loss: str, trainer: Any) -> None:
    model = classifier(loss=loss, optimizer=sgd)
    twin = classifier(loss=loss)
    twin.load_state_dict(model.state_dict())
    images, labels = batch()
    trainer(max_steps=1).fit(model, DataLoader(TensorDataset(images, labels), 20))

    optimizer = sgd(twin.parameters())
    logits = twin.network(images)
    if loss == "mse":
        ((logits - torch.eye(CLASSES)[labels]) ** 2).mean().backward()
    else:
        (-logits.log_softmax(1)[torch.arange(20), labels]).mean().backward()
    optimizer.step()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
@pytest.mark.parametrize("stage", ["val", "test"])
def test_logged_figures_equal_torchmetrics_over_the_whole_set(
    stage: str, loss: str, trainer: Any
) -> None:
    model = classifier(loss=loss)
    images, labels = batch(33)
    labels = labels * (torch.arange(33) % 3 > 0)  # unequal classes
    run = trainer()
    evaluate = run.validate if stage == "val" else run.test
    (values,) = evaluate(model, DataLoader(TensorDataset(images, labels), 8), verbose=False)
    logits = model(images)
    expected = {
        "loss": F.cross_entropy(logits, labels)
        if loss == "cross_entropy"
        else F.mse_loss(logits, F.one_hot(labels, CLASSES).float()),
        "accuracy": MulticlassAccuracy(CLASSES, average="micro")(logits, labels),
        "class_accuracy": MulticlassAccuracy(CLASSES, average="macro")(logits, labels),
    }
    assert values == pytest.approx({f"{stage}/{k}": float(v) for k, v in expected.items()})


def test_training_figures_are_of_the_weights_during_the_epoch(trainer: Any) -> None:
    model = classifier(optimizer=lambda p: torch.optim.SGD(p, lr=0.0))
    run = trainer()
    run.fit(model, loader())
    logits, labels = model(batch()[0]), batch()[1]
    assert set(run.callback_metrics) == {"train/loss", "train/accuracy", "train/class_accuracy"}
    assert run.callback_metrics["train/loss"] == pytest.approx(
        F.cross_entropy(logits, labels).item()
    )
    accuracy = (logits.argmax(1) == labels).float().mean().item()
    assert run.callback_metrics["train/accuracy"] == pytest.approx(accuracy)


def test_class_accuracy_is_over_the_classes_that_occur() -> None:
    metrics = ClassificationMetrics(4)
    for _ in range(2):  # nothing is left of the first time
        metrics.update(torch.tensor(1.0), torch.eye(4)[[0, 0, 1]], torch.tensor([0, 0, 1]))
        metrics.update(torch.tensor(3.0), torch.eye(4)[[0]], torch.tensor([1]))
        values = metrics.compute()
        assert values["loss"].item() == 1.5  # by samples, not batches
        assert values["accuracy"].item() == 0.75
        assert values["class_accuracy"].item() == 0.75  # (2/2 + 1/2) / 2


class LargestTensor(TorchDispatchMode):
    """Notes the largest result of any operation."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **kwargs or {})
        if isinstance(result, Tensor):
            self.elements = max(self.elements, result.numel())
        return result


def test_deterministic_figures_take_bounded_memory_and_are_the_same() -> None:
    N, C = 1500, 150
    figures = []
    for deterministic in (False, True):
        metrics = ClassificationMetrics(C)
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(N, C, generator=generator)
        labels = torch.randint(C, (N,), generator=generator)
        labels[::2] = logits[::2].argmax(1)
        metrics.update(torch.tensor(1.0), logits, labels)
        torch.use_deterministic_algorithms(deterministic)
        try:
            with LargestTensor() as largest:
                figures.append(metrics.compute())
        finally:
            torch.use_deterministic_algorithms(False)
    assert largest.elements <= 2**24 < N * C**2
    assert figures[0] == figures[1]


def test_an_interrupted_epoch_is_forgotten(trainer: Any) -> None:
    class Interrupted(DagMLPClassifier):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            if self.global_step == 1:
                raise RuntimeError("once")
            return super().training_step(batch, batch_idx)

    model = Interrupted("2", SHAPE, CLASSES, width=4)
    with pytest.raises(RuntimeError, match="once"):
        trainer().fit(model, loader())
    run = trainer(max_steps=1)
    run.fit(model, DataLoader(TensorDataset(batch()[0], torch.zeros(20).long()), 20))
    assert run.callback_metrics["train/class_accuracy"] == run.callback_metrics["train/accuracy"]


def test_default_is_the_setting_of_the_paper() -> None:
    optimizer = classifier().configure_optimizers()
    assert isinstance(optimizer, torch.optim.SGD)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (1e-5, 0, 0)


def test_injected_optimizer_and_scheduler_run(trainer: Any) -> None:
    model = classifier(optimizer=sgd, scheduler=steps)
    run = trainer(max_epochs=3)
    run.fit(model, loader())
    assert run.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.1 * 0.5**3)
    assert run.optimizers[0].param_groups[0]["momentum"] == 0.9


def test_plateau_scheduler_watches_its_monitor(trainer: Any) -> None:
    def plateau(optimizer: torch.optim.Optimizer) -> Any:
        return pl.cli.ReduceLROnPlateau(
            optimizer, monitor="train/accuracy", mode="min", patience=0, threshold=10, factor=0.5
        )

    run = trainer(max_epochs=4)
    run.fit(classifier(optimizer=sgd, scheduler=plateau), loader())
    assert run.optimizers[0].param_groups[0]["lr"] < 0.1


def test_unknown_loss_is_named() -> None:
    with pytest.raises(ValueError, match="loss: expected 'cross_entropy' or 'mse', got 'hinge'"):
        classifier(loss="hinge")


@pytest.mark.parametrize(
    "model",
    [
        classifier(loss="mse", batch_norm=True, optimizer=sgd, scheduler=steps),
        DagConvClassifier("1_02", list(SHAPE), CLASSES, width=4, head="flatten"),
    ],
)
def test_checkpoint_of_python_loads_without_arguments(
    tmp_path: Path, model: Any, trainer: Any
) -> None:
    path = tmp_path / "model.ckpt"
    run = trainer()
    run.fit(model, loader())
    run.save_checkpoint(path)
    stored = torch.load(path, weights_only=True)["hyper_parameters"]
    assert not {"optimizer", "scheduler"} & {k for k, v in stored.items() if v is not None}

    loaded = type(model).load_from_checkpoint(path, weights_only=True)
    images, _ = batch()
    torch.testing.assert_close(loaded.eval()(images), model.eval()(images))
    assert loaded.criterion is not None
    assert loaded.hparams.loss == model.hparams.loss
    assert loaded.topology() == model.topology()


def test_a_class_of_ones_own_loads_too(tmp_path: Path, trainer: Any) -> None:
    run = trainer()
    model = Perceptron(hidden=5)
    run.fit(model, loader())
    run.save_checkpoint(tmp_path / "own.ckpt")
    loaded = Perceptron.load_from_checkpoint(tmp_path / "own.ckpt", weights_only=True)
    assert loaded.hparams.hidden == 5
    torch.testing.assert_close(loaded(batch()[0]), model(batch()[0]))


class Perceptron(ImageClassifier):
    """Somebody's own network."""

    def __init__(self, hidden: int) -> None:
        layers = nn.Flatten(), nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, CLASSES)
        super().__init__(nn.Sequential(*layers), CLASSES)


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, trainer: Any) -> None:
    def run(epochs: int, ckpt_path: Path | None = None) -> tuple[pl.Trainer, DagMLPClassifier]:
        pl.seed_everything(1)
        model = classifier(batch_norm=True, optimizer=sgd, scheduler=steps)
        fit = trainer(max_epochs=epochs)
        fit.fit(model, DigitsDataModule(batch_size=256), ckpt_path=ckpt_path)
        return fit, model

    whole, expected = run(4)
    half, _ = run(2)
    half.save_checkpoint(tmp_path / "half.ckpt")
    torch.manual_seed(99)
    rest, resumed = run(4, tmp_path / "half.ckpt")
    assert rest.global_step == whole.global_step
    for name, value in expected.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    for name, value in whole.callback_metrics.items():
        assert torch.equal(value, rest.callback_metrics[name]), name


@pytest.mark.parametrize(("rate", "warned"), [(0.0, True), (0.1, False)])
def test_training_that_stays_at_chance_is_said_after_three_epochs(
    trainer: Any, rate: float, warned: bool, recwarn: pytest.WarningsRecorder
) -> None:
    layer = nn.Linear(64, CLASSES)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    model = ImageClassifier(
        nn.Sequential(nn.Flatten(), layer),
        CLASSES,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=rate),
    )
    trainer(max_epochs=3, limit_val_batches=0).fit(model, loader(100, 10))
    said = [str(one.message) for one in recwarn if "is chance" in str(one.message)]
    assert len(said) == warned
    assert all("after 3 epochs is chance; optimizer: another learning rate" in x for x in said)


def test_a_single_class_is_refused() -> None:
    with pytest.raises(ValueError, match="num_classes: expected 2 or more, got 1; a folder of im"):
        ImageClassifier(nn.Flatten(), 1)


def test_what_an_optimizer_or_a_scheduler_refuses_names_it() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, CLASSES))
    bad: Any = lambda parameters: torch.optim.SGD(parameters, lr=-1)  # noqa: E731
    with pytest.raises(ValueError, match=r"^optimizer: Invalid learning rate: -1"):
        ImageClassifier(network, CLASSES, optimizer=bad).configure_optimizers()
    cosine: Any = lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=0)  # noqa: E731
    with pytest.raises(ValueError, match=r"^scheduler: .*by zero"):
        ImageClassifier(network, CLASSES, scheduler=cosine).configure_optimizers()
