"""Training a network to classify images."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.cli import LightningCLI, LRSchedulerCallable, OptimizerCallable
from pytorch_lightning.utilities import rank_zero_warn
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD

from models.classifiers.metrics import ClassificationMetrics, EpochMetrics
from models.schedulers import rehearse

Loss = Literal["cross_entropy", "mse"]
Batch = tuple[Tensor, Tensor]

_LOOK_EVERY = 50  # batches
_LEARNED = 2  # epoch after which accuracy should have left chance, from 0
_PLAIN = (str, int, float, list, tuple, dict, type(None))


class ImageClassifier(pl.LightningModule):
    """One step for training, validation and test; what a network is comes from a subclass.

    Logs per epoch, under `train/`, `val/` and `test/`: `loss`, `accuracy` (over samples) and
    `class_accuracy` (mean over classes).

    Training ends at a loss that is infinite or NaN, with an error that names the batch, and no
    checkpoint is written after it.

    Checkpoints hold the arguments, so that `load_from_checkpoint(path)` needs none. Optimizers and
    schedulers are kept as the class paths that the command line gives; those given as Python
    callables cannot be read back safely and are left out: give them again to train on.

    Args:
        network: images (N, C, H, W) to logits (N, num_classes).
        num_classes: number of logits.
        loss: `cross_entropy`, or `mse` against one-hot targets, averaged over samples and classes
            (the loss of the theorem, up to scale).
        optimizer: called with the parameters; by default SGD at the paper's setting (§5.1).
        scheduler: called with the optimizer, stepped once per epoch; none by default.

    Raises:
        ValueError: another loss, or a single class.
    """

    def __init__(
        self,
        network: nn.Module,
        num_classes: int,
        loss: Loss = "cross_entropy",
        optimizer: OptimizerCallable = lambda parameters: SGD(parameters, lr=1e-5),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore="network", logger=False)  # a subclass's arguments too
        # Functions and other objects cannot be read back with `weights_only`; for an optimizer the
        # command line gives its class path.
        objects = [k for k, v in self.hparams.items() if not isinstance(v, _PLAIN)]
        self.remove_ignored_hparams(objects)
        if loss not in ("cross_entropy", "mse"):
            raise ValueError(f"loss: expected 'cross_entropy' or 'mse', got {loss!r}")
        if num_classes < 2:
            raise ValueError(
                f"num_classes: expected 2 or more, got {num_classes}; "
                "a folder of images has one subfolder for each class"
            )
        self.network = network
        self.num_classes = num_classes
        self.criterion = F.cross_entropy if loss == "cross_entropy" else self._one_hot_mse
        self.make_optimizer = optimizer
        self.make_scheduler = scheduler
        self.train_metrics = self.make_metrics()
        self.val_metrics = self.make_metrics()
        self.test_metrics = self.make_metrics()

    def make_metrics(self) -> EpochMetrics:
        """The figures of one stage."""
        return ClassificationMetrics(self.num_classes)

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes the running hook some forty times a step, and nn.Module looks through
        # its parameters, buffers and modules each time: a twentieth of a small network's step.
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    @staticmethod
    def _one_hot_mse(logits: Tensor, labels: Tensor) -> Tensor:
        return F.mse_loss(logits, F.one_hot(labels, logits.shape[1]).to(logits.dtype))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, C, H, W)."""
        logits: Tensor = self.network(images)
        return logits

    def _step(self, batch: Batch, metrics: EpochMetrics) -> Tensor:
        images, labels = batch
        logits = self(images)
        loss: Tensor = self.criterion(logits, labels)
        metrics.update(loss, logits, labels)
        return loss

    def _log_epoch(self, stage: str, metrics: EpochMetrics) -> dict[str, Tensor]:
        values = {f"{stage}/{name}": value for name, value in metrics.compute().items()}
        # No sync_dist: the figures are of all ranks already, and the first one's progress bar would
        # reduce them while the others wait elsewhere.
        self.log_dict(values, prog_bar=True)
        return values

    def setup(self, stage: str) -> None:
        """Start the figures anew: an interrupted run leaves half an epoch behind."""
        for metrics in (self.train_metrics, self.val_metrics, self.test_metrics):
            metrics.reset()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of a batch of images (N, C, H, W) and labels (N,)."""
        return self._step(batch, self.train_metrics)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """As in training, without its gradient."""
        self._step(batch, self.val_metrics)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """As in validation; class probabilities (N, num_classes), for callbacks."""
        images, labels = batch
        logits: Tensor = self(images)
        self.test_metrics.update(self.criterion(logits, labels), logits, labels)
        return logits.softmax(1)

    def predict_step(self, batch: Batch | Tensor, batch_idx: int) -> Tensor:
        """Class probabilities (N, num_classes)."""
        images = batch if isinstance(batch, Tensor) else batch[0]
        probabilities: Tensor = self(images).softmax(1)
        return probabilities

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Look at the losses now and then."""
        if (batch_idx + 1) % _LOOK_EVERY == 0:
            self._refuse_loss_that_is_not_finite()

    def _refuse_loss_that_is_not_finite(self) -> None:
        """Before the epoch's figures and before a checkpoint: none holds weights that are NaN."""
        found = self.train_metrics.not_finite()
        if found is None or self._trainer is None:
            return
        ago, loss = found
        batch = self.trainer.fit_loop.epoch_loop.batch_idx - ago
        raise ValueError(
            f"train/loss: {loss} at batch {batch} of epoch {self.current_epoch} (from 0): NaN or "
            "too large numbers among its images, or a learning rate that is too high"
        )

    def on_validation_start(self) -> None:
        """Do not validate what is broken."""
        self._refuse_loss_that_is_not_finite()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to keep what a loss that is not finite has made of the weights."""
        self._refuse_loss_that_is_not_finite()

    def on_train_epoch_end(self) -> None:
        """Log the epoch's figures."""
        self._refuse_loss_that_is_not_finite()
        values = self._log_epoch("train", self.train_metrics)
        accuracy = values.get("train/accuracy")
        chance = 1 / self.num_classes
        if self.current_epoch == _LEARNED and accuracy is not None and accuracy < 1.1 * chance:
            rank_zero_warn(
                f"train/accuracy: {float(accuracy):.3f} after {_LEARNED + 1} epochs is chance; "
                "optimizer: another learning rate, or more epochs?"
            )

    def on_validation_epoch_end(self) -> None:
        """Log the epoch's figures."""
        self._log_epoch("val", self.val_metrics)

    def on_test_epoch_end(self) -> None:
        """Log the epoch's figures."""
        self._log_epoch("test", self.test_metrics)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The injected optimizer and, if there is one, scheduler.

        Raises:
            ValueError: an argument that one of them refuses, or a schedule that cannot be stepped
                to the last epoch.
        """
        optimizer = _made("optimizer", self.make_optimizer, self.parameters())
        scheduler = None
        if self.make_scheduler is not None:
            epochs = (self.trainer.max_epochs or 1) if self._trainer is not None else 1
            _made("scheduler", partial(rehearse, self.make_scheduler, epochs=epochs), optimizer)
            scheduler = _made("scheduler", self.make_scheduler, optimizer)
        configured: OptimizerLRScheduler = LightningCLI.configure_optimizers(
            self, optimizer, scheduler
        )
        return configured


def _made(name: str, make: Callable[[Any], Any], of: Any) -> Any:
    """Call what was given as an argument. Raises ValueError with its name for what it refuses."""
    try:
        return make(of)
    except (ArithmeticError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error
