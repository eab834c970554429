"""Training a whole space of DAG-MLPs in one fit."""

from collections.abc import Sequence
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.cli import LightningCLI, LRSchedulerCallable, OptimizerCallable
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Optimizer

from models.classifier import _PLAIN, Batch, Loss
from models.networks.dag_population import DagPopulation, Member
from models.population_metrics import PopulationMetrics
from models.topology.dag_space import enumerate_dags


class DagSpaceClassifier(pl.LightningModule):
    """K multi-layer perceptrons of any wiring, each trained as if it were alone.

    Each member has its own weights and its own loss. The loss that is minimised is the sum of
    theirs, so that no member's gradient sees another; with an optimizer that treats every weight by
    itself (SGD, Adam) each member is the network that `DagMLPClassifier` trains on the same
    batches, to the rounding of float32.

    Logs per epoch, under `train/`, `val/` and `test/`: `loss` and `accuracy`, means over the
    members; and `train/reached`, the share of members that have reached `target_accuracy`. What
    each member did is in `history`.

    Args:
        in_shape: (channels, height, width) of an image.
        num_classes: number of classes.
        dags: a list of DAG strings, or `distinct` for the networks that `nodes` nodes can make
            (260 for 4), or `all` for the strings that have a path (662 for 4).
        nodes: nodes per DAG string, where `dags` is no list.
        repeats: members per DAG, with different initial weights.
        width: features of every node.
        seed: of the initial weights; those of a member depend on it, the DAG and the repeat alone.
        target_accuracy: training accuracy in (0, 1] whose epoch is noted for each member.
        loss: as in `ImageClassifier`, per member.
        optimizer: as in `ImageClassifier`.
        scheduler: as in `ImageClassifier`.

    Raises:
        ValueError: a string that is no DAG, or an argument outside its range.
        MisconfigurationException: gradients are to be clipped by their norm over all members.
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        num_classes: int,
        dags: list[str] | Literal["distinct", "all"] = "distinct",
        nodes: int = 4,
        repeats: int = 1,
        width: int = 64,
        seed: int = 0,
        target_accuracy: float = 0.9,
        loss: Loss = "cross_entropy",
        optimizer: OptimizerCallable = lambda parameters: SGD(parameters, lr=1e-3),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        # As in `ImageClassifier`: checkpoints are read with `weights_only`.
        objects = [k for k, v in self.hparams.items() if not isinstance(v, _PLAIN)]
        self.remove_ignored_hparams(objects)
        if loss not in ("cross_entropy", "mse"):
            raise ValueError(f"loss: expected 'cross_entropy' or 'mse', got {loss!r}")
        if repeats < 1:
            raise ValueError(f"repeats: expected 1 or more, got {repeats}")
        if not 0 < target_accuracy <= 1:
            raise ValueError(
                f"target_accuracy: expected a share above 0 and at most 1, got {target_accuracy}"
            )
        if isinstance(dags, str):
            if dags not in ("distinct", "all"):
                raise ValueError(
                    f"dags: expected a list of DAG strings, 'distinct' or 'all', got {dags!r}"
                )
            chosen = [str(dag) for dag in enumerate_dags(nodes, distinct=dags == "distinct")]
        else:
            chosen = list(dags)
        members = [dag for dag in chosen for _ in range(repeats)]
        self.population = DagPopulation(members, in_shape, width, num_classes, seed)
        self.target_accuracy = target_accuracy
        self.loss = loss
        self.make_optimizer = optimizer
        self.make_scheduler = scheduler
        self._history: dict[str, dict[int, Tensor]] = {}
        self.train_metrics = PopulationMetrics(len(members))
        self.val_metrics = PopulationMetrics(len(members))
        self.test_metrics = PopulationMetrics(len(members))

    @property
    def members(self) -> list[Member]:
        """The K members: their DAGs, and the repeats of each."""
        return self.population.members

    @property
    def history(self) -> dict[str, dict[int, Tensor]]:
        """`train/loss`, `train/accuracy`, `val/…`, by epoch (from 1): float32 (K,), on the CPU.

        Training figures are means over the epoch, while the weights changed.
        """
        return self._history

    def initial_network(self, index: int) -> nn.Module:
        """Member `index` before training, as a network of its own."""
        return self.population.initial_network(index)

    def epochs_to_reach(self) -> Tensor:
        """First epoch of which the training accuracy is `target_accuracy` or more: float32 (K,).

        Lower is better; `inf` for a member that has not reached it.
        """
        epochs = torch.full((len(self.members),), torch.inf)
        for epoch, accuracy in sorted(self._history.get("train/accuracy", {}).items()):
            reached = (accuracy >= self.target_accuracy) & epochs.isinf()
            epochs[reached] = epoch
        return epochs

    def forward(self, images: Tensor) -> Tensor:
        """Logits (K, N, num_classes) of images (N, C, H, W)."""
        logits: Tensor = self.population(images)
        return logits

    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of each member: (K,)."""
        by_class = logits.transpose(1, 2)
        if self.loss == "cross_entropy":
            each = F.cross_entropy(
                by_class, labels.expand(len(logits), len(labels)), reduction="none"
            )
            return each.mean(1)
        one_hot = F.one_hot(labels, logits.shape[2]).T.to(logits.dtype)
        return (by_class - one_hot).square().mean((1, 2))

    def _step(self, batch: Batch, metrics: PopulationMetrics) -> Tensor:
        images, labels = batch
        logits = self(images)
        losses = self._losses(logits, labels)
        metrics.update(losses, logits, labels)
        return losses.sum()

    def _log_epoch(self, stage: str, metrics: PopulationMetrics) -> None:
        values = metrics.compute()
        metrics.reset()
        for name, value in values.items():
            self.log(f"{stage}/{name}", value.mean(), prog_bar=True)
            if stage != "test" and not self.trainer.sanity_checking:
                by_epoch = self._history.setdefault(f"{stage}/{name}", {})
                by_epoch[self.current_epoch + 1] = value.cpu()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Sum of the members' losses on images (N, C, H, W) and labels (N,)."""
        return self._step(batch, self.train_metrics)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """As in training, without its gradient."""
        self._step(batch, self.val_metrics)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """As in training, without its gradient."""
        self._step(batch, self.test_metrics)

    def predict_step(self, batch: Batch | Tensor, batch_idx: int) -> Tensor:
        """Class probabilities (N, K, num_classes): images first, as batches are joined there."""
        images = batch if isinstance(batch, Tensor) else batch[0]
        probabilities: Tensor = self(images).softmax(2)
        return probabilities.transpose(0, 1)

    def on_train_epoch_end(self) -> None:
        """Log and keep the epoch's figures."""
        self._log_epoch("train", self.train_metrics)
        self.log("train/reached", self.epochs_to_reach().isfinite().float().mean())

    def on_validation_epoch_end(self) -> None:
        """Log and keep the epoch's figures."""
        self._log_epoch("val", self.val_metrics)

    def on_test_epoch_end(self) -> None:
        """Log the figures."""
        self._log_epoch("test", self.test_metrics)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by value only: a norm over all members would couple them."""
        if gradient_clip_val and gradient_clip_algorithm in (None, "norm"):
            raise MisconfigurationException(
                "gradient_clip_val: the norm over all members would couple their training; "
                "use gradient_clip_algorithm='value' or no clipping"
            )
        self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history."""
        checkpoint["history"] = self._history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the history."""
        self._history = checkpoint["history"]

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The injected optimizer and, if there is one, scheduler."""
        optimizer = self.make_optimizer(self.parameters())
        scheduler = self.make_scheduler(optimizer) if self.make_scheduler else None
        configured: OptimizerLRScheduler = LightningCLI.configure_optimizers(
            self, optimizer, scheduler
        )
        return configured
