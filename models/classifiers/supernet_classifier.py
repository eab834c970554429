"""Training a supernet, whose weights all architectures of a space share."""

from collections.abc import Sequence
from typing import Any

from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD

from models.classifiers.image_classifier import Batch, ImageClassifier
from models.classifiers.metrics import EpochMetrics
from models.networks import Supernet
from models.seeding import generator
from models.spaces import SupernetSpace, as_supernet_space
from models.spaces.paths import random_path
from models.spaces.sizes import check_sizes


class SupernetClassifier(ImageClassifier):
    """A space's supernet, trained one random architecture at a time (Guo et al., arXiv 1904.00420).

    Every step draws a path, an architecture of the space (see `random_path`), uniformly, and trains
    the weights on it alone. The path follows from the seed and the number of optimizer steps taken:
    it is the same on every rank, over accumulated batches, and after a resume. Weights off the path
    have no gradient, so that momentum and weight decay leave them alone too.

    Validation and test are the mean over `validation_paths` fixed paths. Batch normalisation takes
    the statistics of the batch at hand, in evaluation too: running statistics would mix those of
    all paths. So evaluate on batches like those of training, in size and in their mix of classes:
    on images in the order of their class the figures are far too low, and a warning says so.

    What comes out is a checkpoint for `SupernetAccuracy`, and no network to predict with: train
    what was found with `ArchitectureClassifier`. Under DDP take the strategy
    `ddp_find_unused_parameters_true`.

    Args:
        space: a search space with a supernet, or its name: `nasbench201`, `darts`.
        in_shape: (channels, height, width) of an image.
        num_classes: number of classes.
        sizes: of the supernet, as `space.supernet` takes them, such as `channels`; by default the
            tiny ones of the space.
        validation_paths: how many architectures the figures of validation and test are a mean of.
        seed: of the paths.
        optimizer: called with the parameters; by default what NAS-Bench-201 trains its
            weight-sharing baselines by, at its first rate.
        scheduler: as in `ImageClassifier`.

    Raises:
        ValueError: an argument out of range.
    """

    network: Supernet

    def __init__(
        self,
        space: SupernetSpace | str,
        in_shape: Sequence[int],
        num_classes: int,
        sizes: dict[str, Any] | None = None,
        validation_paths: int = 8,
        seed: int = 0,
        optimizer: OptimizerCallable = lambda parameters: SGD(
            parameters, lr=0.025, momentum=0.9, weight_decay=5e-4, nesterov=True
        ),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        for name, value, minimum in (("validation_paths", validation_paths, 1), ("seed", seed, 0)):
            if value < minimum:
                raise ValueError(f"{name}: expected {minimum} or more, got {value}")
        if len(in_shape) != 3:
            raise ValueError(f"in_shape: expected (channels, height, width), got {tuple(in_shape)}")
        space = as_supernet_space(space, type(self).__name__)
        check_sizes(space.supernet, sizes or {}, f"{space.name} supernets")
        network = space.supernet(num_classes, in_shape[0], **sizes or {})
        for module in network.modules():
            if isinstance(module, _BatchNorm):
                _forget_running_statistics(module)
        super().__init__(network, num_classes, optimizer=optimizer, scheduler=scheduler)
        self.hparams.setdefault("space", space.name)
        self.space = space
        self.in_shape = tuple(in_shape)
        self.sizes = dict(sizes or {})
        self.seed = seed
        self._fixed_paths = [
            random_path(space, generator(seed, "validation", i)) for i in range(validation_paths)
        ]

    def setup(self, stage: str) -> None:
        """Start the figures anew.

        Raises:
            MisconfigurationException: there is nothing to predict with.
        """
        super().setup(stage)
        if stage == "predict":
            raise MisconfigurationException(
                "SupernetClassifier: a supernet is no one network; train an ArchitectureClassifier "
                "of an architecture and predict with that"
            )

    def on_fit_start(self) -> None:
        """Refuse a DDP that would wait for gradients that a path does not have.

        Raises:
            MisconfigurationException: another strategy of DDP.
        """
        wrapped = self.trainer.strategy.model
        if isinstance(wrapped, DistributedDataParallel) and not wrapped.find_unused_parameters:
            raise MisconfigurationException(
                "trainer.strategy: a path leaves parameters unused; expected "
                "ddp_find_unused_parameters_true"
            )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of the step's path, on a batch of images (N, C, H, W) and labels (N,)."""
        self.network.mask = random_path(self.space, generator(self.seed, "path", self.global_step))
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Every fixed path, without gradients."""
        self._evaluate(batch, self.val_metrics)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Every fixed path, without gradients."""
        self._evaluate(batch, self.test_metrics)

    def _evaluate(self, batch: Batch, metrics: EpochMetrics) -> None:
        labels = batch[1]
        if len(labels) > 1 and bool((labels == labels[0]).all()):
            rank_zero_warn(
                "a batch to evaluate on is of one class: batch normalisation takes its statistics, "
                "and accuracy is far too low; mix the classes"
            )
        for path in self._fixed_paths:
            self.network.mask = path
            self._step(batch, metrics)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say what the supernet is, in builtins that need neither class nor command line."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["supernet"] = {
            "space": self.space.name,
            "in_shape": list(self.in_shape),
            "num_classes": self.num_classes,
            "sizes": self.sizes,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse what is no supernet of the space.

        Raises:
            ValueError: a checkpoint of something else, or of another space.
        """
        if "supernet" not in checkpoint:
            raise ValueError("ckpt_path: this checkpoint holds no supernet")
        other = checkpoint["supernet"]["space"]
        if other != self.space.name:
            raise ValueError(
                f"ckpt_path: the checkpoint is of the space {other}, not {self.space.name}"
            )


def _forget_running_statistics(module: _BatchNorm) -> None:
    """Take the batch's statistics in both modes, as a module built without running ones does."""
    module.track_running_stats = False
    module.running_mean = module.running_var = module.num_batches_tracked = None
