"""Cells that hold every operation on every edge, and run those that a boolean mask keeps."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.networks.masks import Edges, as_mask, check_fed
from models.networks.operations import SharedReLU, build_operation


class _Term(NamedTuple):
    """One kept operation: where it starts, its share of the sum, and the keys of its modules."""

    source: int
    weight: float
    shared: str | None
    own: str | None


class SupernetCell(nn.Module):
    """A cell whose edges mix operations in equal shares; a subclass says what its output is.

    The value of an edge is the mean over its kept operations, that of a node the sum over its
    edges: what softmax weights give where the logits of removed operations are −∞. Operations that
    are not kept are not run. Work that depends on an edge's source alone, pooling and the ReLU in
    front of convolutions, is done once per source.

    Args:
        edges: (source, target), the rows of the mask, sorted by target. Nodes below `inputs` are
            the cell's inputs.
        operations: names, the columns of the mask.
        inputs: number of input nodes.
        channels: maps of every node.
        stride: of the operations on edges that leave an input; 1 elsewhere.
        cell_type: the row of the network's mask that this cell follows.
        build: the module of an operation, from (name, channels, stride). What has no parameters
            must not depend on the edge's target.
    """

    def __init__(
        self,
        edges: Edges,
        operations: Sequence[str],
        inputs: int,
        channels: int,
        stride: int = 1,
        cell_type: int = 0,
        build: Callable[[str, int, int], nn.Module] = build_operation,
    ) -> None:
        super().__init__()
        self.cell_type = cell_type
        self.edges = tuple(edges)
        self.operations = tuple(operations)
        self.inputs = inputs
        self.stride = stride
        self.shared = nn.ModuleDict()
        """Modules that depend on a source alone, by `source_name`."""
        self.own = nn.ModuleDict()
        """The rest of an operation, or all of it, by `edge_name`."""
        self._keys: dict[tuple[int, str], tuple[str | None, str | None]] = {}
        for edge, (source, _) in enumerate(self.edges):
            for name in self.operations:
                if name != "none":
                    operation = build(name, channels, stride if source < inputs else 1)
                    self._keys[edge, name] = self._add(edge, source, name, operation)
        self._plan: list[list[_Term]] = []

    def _add(
        self, edge: int, source: int, name: str, operation: nn.Module
    ) -> tuple[str | None, str | None]:
        """Split an operation into what its source shares and the edge's own; the keys of both."""
        shared, own = f"{source}_{name}", f"{edge}_{name}"
        if not any(True for _ in operation.parameters()):
            if shared not in self.shared:
                self.shared[shared] = operation
            return shared, None
        if isinstance(operation, nn.Sequential) and type(operation[0]) is nn.ReLU:
            shared = f"{source}_relu"
            if shared not in self.shared:
                self.shared[shared] = SharedReLU()
            self.own[own] = operation[1:]
            return shared, own
        self.own[own] = operation
        return None, own

    def keep(self, mask: Tensor) -> None:
        """Run only what `mask`, boolean of shape (edges, operations), keeps."""
        plan: dict[int, list[_Term]] = {target: [] for _, target in self.edges}
        for edge, ((source, target), row) in enumerate(zip(self.edges, mask.tolist(), strict=True)):
            kept = [name for name, keep in zip(self.operations, row, strict=True) if keep]
            plan[target] += [_Term(source, 1 / len(kept), *self._keys[edge, name]) for name in kept]
        self._plan = list(plan.values())
        readers = Counter(term.shared for terms in self._plan for term in terms)
        for key, module in self.shared.items():
            if isinstance(module, SharedReLU):
                module.readers = readers[key]

    def nodes(self, *inputs: Tensor) -> list[Tensor]:
        """The values of the nodes after the inputs, in order."""
        values = list(inputs)
        cache: dict[str, Tensor] = {}
        for terms in self._plan:
            total: Tensor | None = None
            for source, weight, shared, own in terms:
                x = values[source]
                if shared is not None:
                    if shared not in cache:
                        cache[shared] = self.shared[shared](x)
                    x = cache[shared]
                if own is not None:
                    x = self.own[own](x)
                if total is None:
                    total = x if weight == 1 else x * weight
                else:
                    total = torch.add(total, x, alpha=weight)
            assert total is not None  # `check_fed`: every node has an input
            values.append(total)
        return values[self.inputs :]


class Supernet(nn.Module):
    """A network whose supernet cells follow one mask.

    A subclass builds its cells, each of a `cell_type`, and then assigns `mask`. Parameters that the
    mask leaves unused stay in the module.

    Args:
        cell_names: the types of cells, the first axis of the mask.
        edges: (source, target) of a cell, the second axis.
        operations: names, the third axis.
    """

    def __init__(self, cell_names: Sequence[str], edges: Edges, operations: Sequence[str]) -> None:
        super().__init__()
        self.cell_names = tuple(cell_names)
        self.edges = tuple(edges)
        self.operations = tuple(operations)

    @property
    def mask(self) -> Tensor:
        """Operations kept: boolean, (cells, edges, operations). A copy: assign to change it."""
        return self._mask.clone()

    @mask.setter
    def mask(self, mask: Tensor) -> None:
        """Run other operations from the next forward on.

        Raises:
            ValueError: not boolean, of another shape, one that keeps `none`, or one that leaves a
                node without input.
        """
        shape = (len(self.cell_names), len(self.edges), len(self.operations))
        checked = as_mask(mask, shape, self.operations)
        check_fed(checked, self.cell_names, self.edges)
        self._mask = checked
        for module in self.modules():
            if isinstance(module, SupernetCell):
                module.keep(self._mask[module.cell_type])
