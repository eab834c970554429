"""Training the network of an architecture that was found, published or made up."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import networkx as nx
import torch
from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD

from models.classifiers.image_classifier import Batch, ImageClassifier
from models.networks.cost import Cost, cost
from models.seeding import derive_seed
from models.spaces import SearchSpace, as_space, read_architecture, read_budget
from models.spaces.sizes import check_sizes

MOBILE = 600_000_000
"""Multiply–adds that a network may have in ImageNet's mobile setting, images of 224×224."""


class ArchitectureClassifier(ImageClassifier):
    """The network that a search space builds of one architecture, trained from scratch.

    Minimises cross-entropy, of the auxiliary head too where there is one. `train/loss` is that of
    the network's own readout, with label smoothing; `val/loss` and `test/loss` are without. A fit
    begins with a line on the size of the network. Checkpoints hold the architecture as text, and
    one of another architecture is refused.

    Args:
        space: a search space, or its name, such as `nasbench201`.
        architecture: as the space writes it, or the path of a search's `architecture.json`.
        in_shape: (channels, height, width) of an image.
        num_classes: number of classes.
        sizes: of the network, as `space.network` takes them, such as `channels`; by default those
            of the space.
        auxiliary_weight: weight of the auxiliary head's loss; the head is built by
            `sizes: {auxiliary: true}`, in the space `darts`.
        drop_path: probability that a sample skips an operation, in [0, 1). It grows from 0, the
            same every epoch, and would reach this value after `trainer.max_epochs`.
        label_smoothing: share of a label's weight that goes to all classes alike, in [0, 1).
        compile: train the network through `torch.compile`; the same weights, with or without. What
            is only evaluated runs as it is.
        optimizer: called with the parameters; by default NAS-Bench-201's, at its first rate.
        scheduler: as in `ImageClassifier`.

    Attributes:
        architecture: as the space's `parse` gives it.
        cost: live parameters, layers and multiply–adds, without the auxiliary head.
        budget: upper bounds of the search that found the architecture, by cost; checkpoints keep
            them for `export`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no architecture of this space, or an argument out of range.
    """

    def __init__(
        self,
        space: SearchSpace | str,
        architecture: str,
        in_shape: Sequence[int],
        num_classes: int,
        sizes: dict[str, Any] | None = None,
        auxiliary_weight: float = 0.4,
        drop_path: float = 0.0,
        label_smoothing: float = 0.0,
        compile: bool = False,
        optimizer: OptimizerCallable = lambda parameters: SGD(
            parameters, lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True
        ),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        space = as_space(space)
        found = read_architecture(space, architecture)
        network = _build(space, found, in_shape, num_classes, dict(sizes or {}))
        super().__init__(network, num_classes, optimizer=optimizer, scheduler=scheduler)
        # As text: a checkpoint must not depend on a file, nor hold an object.
        self.text = space.format(found)
        self.hparams["architecture"] = self.text
        self.hparams.setdefault("space", space.name)
        if auxiliary_weight < 0:
            raise ValueError(f"auxiliary_weight: expected 0 or more, got {auxiliary_weight}")
        for name, value in (("drop_path", drop_path), ("label_smoothing", label_smoothing)):
            if not 0 <= value < 1:
                raise ValueError(f"{name}: expected a value in [0, 1), got {value}")
        if drop_path and not hasattr(network, "drop_path"):
            raise ValueError(f"drop_path: expected 0, networks of {space.name} have none")
        self.space = space
        self.architecture = found
        self.budget = read_budget(architecture)
        self.in_shape = tuple(in_shape)
        self.auxiliary_weight = auxiliary_weight
        self.drop_path = drop_path
        self.label_smoothing = label_smoothing
        self.compile_network = compile
        self.cost = _cost(network, self.in_shape)
        self._seed = torch.initial_seed()

    def topology(self) -> "nx.DiGraph[int] | dict[str, nx.DiGraph[int]]":
        """The wiring of the cell, or of each cell by name, for `TopologyMonitor`."""
        graphs = self.space.topologies(self.architecture)
        return next(iter(graphs.values())) if len(graphs) == 1 else graphs

    def setup(self, stage: str) -> None:
        """Say how large the network is, and compile it if asked to.

        Raises:
            ValueError: drop-path without a number of epochs to grow over.
        """
        super().setup(stage)
        if self.trainer.strategy.root_device.type == "cpu":
            layout = getattr(self.network, "cpu_training_format", torch.preserve_format)
            self.network.to(memory_format=layout)
        if stage == "fit":
            if self.drop_path and (self.trainer.max_epochs or -1) < 1:
                raise ValueError("drop_path: grows over trainer.max_epochs, which is not given")
            self._report_size()
            if self.compile_network:
                self.network.compile()  # in place: names of parameters stay

    def _report_size(self) -> None:
        for name in self.budget.keys() & {"parameters", "multiply_adds"}:
            found = getattr(self.cost, name)
            if found > self.budget[name]:
                rank_zero_warn(
                    f"sizes: this network has {found:,} {name}, the search allowed "
                    f"{self.budget[name]:,.0f}; the search's last line says the sizes to give"
                )
        head = getattr(self.network, "auxiliary_head", None)
        auxiliary = sum(p.numel() for p in head.parameters()) if head is not None else 0
        unused = (
            sum(p.numel() for p in self.network.parameters()) - auxiliary - self.cost.parameters
        )
        rank_zero_info(
            f"{self.text}: {self.cost.parameters:,} parameters"
            + (f", {unused:,} of operations on no path to the output" if unused else "")
            + (f" and {auxiliary:,} of the auxiliary head" if auxiliary else "")
            + f", {self.cost.multiply_adds / 1e6:.1f} M multiply–adds "
            f"for an image of {_size(self.in_shape)}"
        )
        if self.in_shape[1:] == (224, 224) and self.cost.multiply_adds >= MOBILE:
            rank_zero_warn(
                f"{self.cost.multiply_adds / 1e6:.1f} M multiply–adds: ImageNet's mobile setting "
                f"allows less than {MOBILE // 10**6} M"
            )

    def on_train_epoch_start(self) -> None:
        """Let drop-path grow."""
        if self.drop_path:
            share = self.current_epoch / (self.trainer.max_epochs or 1)
            self.network.drop_path = self.drop_path * share  # type: ignore[assignment]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of a batch of images (N, C, H, W) and labels (N,), auxiliary head included."""
        images, labels = batch
        network: Any = self.network
        auxiliary = None
        with self._own_random_state(batch_idx):
            if getattr(network, "auxiliary_head", None) is not None:
                logits, auxiliary = network.logits_and_auxiliary(images)
            else:
                logits = network(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        self.train_metrics.update(loss, logits, labels)
        if auxiliary is not None:
            loss = loss + self.auxiliary_weight * F.cross_entropy(
                auxiliary, labels, label_smoothing=self.label_smoothing
            )
        return loss

    @contextmanager
    def _own_random_state(self, batch_idx: int) -> Iterator[None]:
        """Drop-path draws by (seed, epoch, batch, rank), so that a resumed run draws the same."""
        if not self.drop_path:
            yield
            return
        key = self.current_epoch, batch_idx, self.global_rank
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(derive_seed(self._seed, "drop_path", *key))
            yield

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the seed of drop-path, and the budget."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["budget"] = self.budget
        checkpoint["drop_path_seed"] = self._seed

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the seed of drop-path; warn of images of another size.

        Raises:
            ValueError: a checkpoint of another architecture.
        """
        arguments = checkpoint.get("hyper_parameters", {})
        other = arguments.get("architecture", self.text)
        if other != self.text:
            raise ValueError(
                f"ckpt_path: the checkpoint is of the architecture {other}, not {self.text}"
            )
        shape = tuple(arguments.get("in_shape", self.in_shape))
        if shape != self.in_shape:
            rank_zero_warn(
                f"ckpt_path: trained on images of {_size(shape)}, now given {_size(self.in_shape)}"
            )
        self._seed = checkpoint.get("drop_path_seed", self._seed)


def _build(
    space: SearchSpace,
    architecture: Any,
    in_shape: Sequence[int],
    num_classes: int,
    sizes: dict[str, Any],
) -> nn.Module:
    """The network. Raises ValueError for sizes that the space does not have."""
    if len(in_shape) != 3:
        raise ValueError(f"in_shape: expected (channels, height, width), got {tuple(in_shape)}")
    check_sizes(space.network, sizes, f"{space.name} networks")
    network: nn.Module = space.network(architecture, num_classes, in_shape[0], **sizes)
    return network


def _cost(network: nn.Module, in_shape: Sequence[int]) -> Cost:
    """Count the network's cost; refuse images that its auxiliary head cannot take.

    Raises:
        ValueError: images that the network cannot take.
    """
    if getattr(network, "auxiliary_head", None) is not None:
        twin: Any = copy.deepcopy(network).to("meta").eval()
        try:
            twin.logits_and_auxiliary(torch.empty(1, *in_shape, device="meta"))
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"in_shape: the network cannot take images of {_size(in_shape)}: {reason}"
            ) from None
    return cost(network, in_shape)


def _size(in_shape: Sequence[int]) -> str:
    return "×".join(map(str, in_shape))


CellClassifier = ArchitectureClassifier
"""The former name, which configs and checkpoints may still have."""
