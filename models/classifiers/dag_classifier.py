"""Classifiers whose network is wired by a DAG."""

from collections.abc import Sequence
from typing import Literal

from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable
from torch.optim import SGD

from models.classifiers.image_classifier import ImageClassifier, Loss
from models.networks import DagConvNet, DagMLP
from models.topology import Dag


class DagMLPClassifier(ImageClassifier):
    """A multi-layer perceptron of any wiring.

    Args:
        dag: DAG string such as `2_21_112`: one group of digits per node; 0 no edge, 1 skip,
            2 Linear – ReLU.
        in_shape: (channels, height, width) of an image.
        num_classes: number of classes.
        width: features of every node.
        batch_norm: put BatchNorm before each activation.
        loss: as in `ImageClassifier`.
        optimizer: as in `ImageClassifier`.
        scheduler: as in `ImageClassifier`.

    Raises:
        ValueError: a string that is no DAG, or a size below 1.
    """

    def __init__(
        self,
        dag: str,
        in_shape: Sequence[int],
        num_classes: int,
        width: int = 1024,
        batch_norm: bool = False,
        loss: Loss = "cross_entropy",
        optimizer: OptimizerCallable = lambda parameters: SGD(parameters, lr=1e-5),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        network = DagMLP(dag, in_shape, width, num_classes, batch_norm)
        super().__init__(network, num_classes, loss, optimizer, scheduler)
        self.dag = network.dag

    def topology(self) -> Dag:
        """The wiring, for `TopologyMonitor`."""
        return self.dag


class DagConvClassifier(ImageClassifier):
    """A convolutional network of any wiring.

    Args:
        dag: DAG string such as `2_21_112`: one group of digits per node; 0 no edge, 1 skip,
            2 Conv 3×3 – ReLU.
        in_shape: (channels, height, width) of an image.
        num_classes: number of classes.
        width: channels of every node.
        batch_norm: put BatchNorm before each activation.
        head: `pool` averages over positions before the readout, `flatten` reads them all.
        loss: as in `ImageClassifier`.
        optimizer: as in `ImageClassifier`.
        scheduler: as in `ImageClassifier`.

    Raises:
        ValueError: a string that is no DAG, another head, or a size below 1.
    """

    def __init__(
        self,
        dag: str,
        in_shape: Sequence[int],
        num_classes: int,
        width: int = 64,
        batch_norm: bool = False,
        head: Literal["pool", "flatten"] = "pool",
        loss: Loss = "cross_entropy",
        optimizer: OptimizerCallable = lambda parameters: SGD(parameters, lr=1e-5),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        network = DagConvNet(dag, in_shape, width, num_classes, batch_norm, head)
        super().__init__(network, num_classes, loss, optimizer, scheduler)
        self.dag = network.dag

    def topology(self) -> Dag:
        """The wiring, for `TopologyMonitor`."""
        return self.dag
