"""Networks wired by a DAG: stem → DAG → linear readout."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import prod
from typing import Literal

from torch import Tensor, nn

from models.topology.dag import OPERATION, Dag


class DagNetwork(nn.Module, ABC):
    """Shared wiring of `DagMLP` and `DagConvNet`.

    A node is the sum over its incoming edges; nodes that no input→output path crosses are left
    out. Weights are drawn by He's initialisation (variance 2 / fan-in), biases are 0.

    Args:
        dag: the wiring, or its DAG string.
        in_shape: (channels, height, width) of an image.
        width: features of every node.
        num_classes: logits.
        batch_norm: put BatchNorm between each linear map and its activation.

    Raises:
        ValueError: a string that is no DAG, or a size below 1.
    """

    def __init__(
        self,
        dag: Dag | str,
        in_shape: Sequence[int],
        width: int,
        num_classes: int,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        if len(in_shape) != 3 or min(in_shape) < 1:
            raise ValueError(
                f"in_shape: expected (channels, height, width) of 1 or more, got {in_shape}"
            )
        for name, size in (("width", width), ("num_classes", num_classes)):
            if size < 1:
                raise ValueError(f"{name}: expected 1 or more, got {size}")
        self.dag = dag if isinstance(dag, Dag) else Dag.parse(dag)
        self.in_shape = tuple(in_shape)
        self.width = width
        self.batch_norm = batch_norm
        self._edges = [
            (source, target, f"{source}_{target}" if value == OPERATION else None)
            for source, target, value in self.dag.active_edges()
        ]
        self.stem = self.make_stem()
        self.operations = nn.ModuleDict(
            {name: self.make_operation() for _, _, name in self._edges if name}
        )
        self.readout = self.make_readout(num_classes)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @abstractmethod
    def make_stem(self) -> nn.Module:
        """From images to the features of node 0."""

    @abstractmethod
    def make_operation(self) -> nn.Module:
        """From the features of one node to an edge's output of the same shape."""

    @abstractmethod
    def make_readout(self, num_classes: int) -> nn.Module:
        """From the features of the output node to logits."""

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, *in_shape)."""
        nodes: dict[int, Tensor] = {0: self.stem(images)}
        for source, target, name in self._edges:
            value = self.operations[name](nodes[source]) if name else nodes[source]
            nodes[target] = nodes[target] + value if target in nodes else value
        logits: Tensor = self.readout(nodes[self.dag.output])
        return logits


class DagMLP(DagNetwork):
    """A multi-layer perceptron wired by a DAG: an operation is Linear (– BatchNorm) – ReLU."""

    def _layer(self, in_features: int) -> nn.Sequential:
        norm = [nn.BatchNorm1d(self.width)] if self.batch_norm else []
        return nn.Sequential(nn.Linear(in_features, self.width), *norm, nn.ReLU())

    def make_stem(self) -> nn.Module:
        """Flatten – Linear (– BatchNorm) – ReLU."""
        return nn.Sequential(nn.Flatten(), *self._layer(prod(self.in_shape)))

    def make_operation(self) -> nn.Module:
        """Linear (– BatchNorm) – ReLU."""
        return self._layer(self.width)

    def make_readout(self, num_classes: int) -> nn.Module:
        """Linear."""
        return nn.Linear(self.width, num_classes)


class DagConvNet(DagNetwork):
    """A convolutional network wired by a DAG: an operation is Conv 3×3 (– BatchNorm) – ReLU.

    All nodes keep the resolution of the image.

    Args:
        dag: as in `DagNetwork`.
        in_shape: as in `DagNetwork`.
        width: channels of every node.
        num_classes: as in `DagNetwork`.
        batch_norm: as in `DagNetwork`.
        head: `pool` averages over positions before the readout, `flatten` reads them all.
    """

    def __init__(
        self,
        dag: Dag | str,
        in_shape: Sequence[int],
        width: int,
        num_classes: int,
        batch_norm: bool = False,
        head: Literal["pool", "flatten"] = "pool",
    ) -> None:
        if head not in ("pool", "flatten"):
            raise ValueError(f"head: expected 'pool' or 'flatten', got {head!r}")
        self.head = head
        super().__init__(dag, in_shape, width, num_classes, batch_norm)

    def _layer(self, in_channels: int) -> nn.Sequential:
        norm = [nn.BatchNorm2d(self.width)] if self.batch_norm else []
        return nn.Sequential(nn.Conv2d(in_channels, self.width, 3, padding=1), *norm, nn.ReLU())

    def make_stem(self) -> nn.Module:
        """Conv 3×3 (– BatchNorm) – ReLU."""
        return self._layer(self.in_shape[0])

    def make_operation(self) -> nn.Module:
        """Conv 3×3 (– BatchNorm) – ReLU."""
        return self._layer(self.width)

    def make_readout(self, num_classes: int) -> nn.Module:
        """Average over positions or flatten, then Linear."""
        if self.head == "pool":
            pool = (nn.AdaptiveAvgPool2d(1), nn.Flatten())
            return nn.Sequential(*pool, nn.Linear(self.width, num_classes))
        features = self.width * self.in_shape[1] * self.in_shape[2]
        return nn.Sequential(nn.Flatten(), nn.Linear(features, num_classes))
