"""Training a whole space of DAG-MLPs in one fit."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from models.classifiers.image_classifier import Batch, ImageClassifier, Loss
from models.classifiers.metrics import EpochMetrics
from models.classifiers.population_metrics import PopulationMetrics
from models.networks.dag_population import DagPopulation, Member
from models.topology.dag import Dag
from models.topology.dag_space import enumerate_dags


class DagSpaceClassifier(ImageClassifier):
    """K multi-layer perceptrons of any wiring, each trained as if it were alone.

    Each member has its own weights and its own loss. The loss that is minimised is the sum of
    theirs, so that no member's gradient sees another; with an optimizer that treats every weight by
    itself (SGD, Adam) each member is the network that `DagMLPClassifier` trains on the same
    batches, to the rounding of float32.

    Logs per epoch, under `train/`, `val/` and `test/`: `loss` and `accuracy`, means over the
    members; and `train/reached`, the share of members that have reached `target_accuracy`. What
    each member did is in `history`. A member whose loss is infinite or NaN stops no other: training
    ends where all of them have come to that.

    Args:
        in_shape: (channels, height, width) of an image.
        num_classes: number of classes.
        dags: a list of DAG strings or `Dag`s, or `distinct` for the networks that `nodes` nodes can
            make (260 for 4), or `all` for the strings that have a path (662 for 4).
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
        if repeats < 1:
            raise ValueError(f"repeats: expected 1 or more, got {repeats}")
        if not 0 < target_accuracy <= 1:
            raise ValueError(
                f"target_accuracy: expected a share above 0 and at most 1, got {target_accuracy}"
            )
        chosen = _strings(dags, nodes)
        members = [dag for dag in chosen for _ in range(repeats)]
        population = DagPopulation(members, in_shape, width, num_classes, seed)
        super().__init__(population, num_classes, loss, optimizer, scheduler)
        if not isinstance(dags, str):
            self.hparams["dags"] = chosen  # as text, which a checkpoint can hold
        self.target_accuracy = target_accuracy
        self._history: dict[str, dict[int, Tensor]] = {}

    def make_metrics(self) -> EpochMetrics:
        """Loss and accuracy of each member."""
        return PopulationMetrics(len(self.members))

    @property
    def population(self) -> DagPopulation:
        """The members as one network."""
        assert isinstance(self.network, DagPopulation)
        return self.network

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

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of each member (K,), of logits (K, N, num_classes) and labels (N,)."""
        by_member: Tensor = torch.vmap(self.criterion, in_dims=(0, None))(logits, labels)
        return by_member

    def _step(self, batch: Batch, metrics: EpochMetrics) -> Tensor:
        images, labels = batch
        logits = self(images)
        losses = self.losses(logits, labels)
        metrics.update(losses, logits, labels)
        return losses.sum()

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """As in validation."""
        self._step(batch, self.test_metrics)

    def _log_epoch(self, stage: str, metrics: EpochMetrics) -> dict[str, Tensor]:
        values = metrics.compute()
        metrics.reset()
        means = {f"{stage}/{name}": value.mean() for name, value in values.items()}
        self.log_dict(means, prog_bar=True)
        for name, value in values.items():
            if stage != "test" and not self.trainer.sanity_checking:
                by_epoch = self._history.setdefault(f"{stage}/{name}", {})
                by_epoch[self.current_epoch + 1] = value.cpu()
        return means

    def predict_step(self, batch: Batch | Tensor, batch_idx: int) -> Tensor:
        """Class probabilities (N, K, num_classes): images first, as batches are joined there."""
        images = batch if isinstance(batch, Tensor) else batch[0]
        probabilities: Tensor = self(images).softmax(2)
        return probabilities.transpose(0, 1)

    def on_train_epoch_end(self) -> None:
        """Log and keep the epoch's figures."""
        super().on_train_epoch_end()
        self.log("train/reached", self.epochs_to_reach().isfinite().float().mean())

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
        super().on_save_checkpoint(checkpoint)
        checkpoint["history"] = self._history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the history."""
        self._history = checkpoint["history"]


def _strings(dags: Sequence[Dag | str] | str, nodes: int) -> list[str]:
    """The DAG strings of a list, or of a whole space."""
    if isinstance(dags, str) and dags in ("distinct", "all"):
        return [str(dag) for dag in enumerate_dags(nodes, distinct=dags == "distinct")]
    if isinstance(dags, str) or not isinstance(dags, Sequence) or not dags:
        raise ValueError(
            f"dags: expected a list of at least one DAG string, 'distinct' or 'all', got {dags!r}"
        )
    return [str(dag if isinstance(dag, Dag) else Dag.parse(dag)) for dag in dags]
