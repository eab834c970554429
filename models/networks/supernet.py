"""Cells that hold every operation on every edge, and run those that a boolean mask keeps."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.networks.operations import build_operation

Edges = Sequence[tuple[int, int]]


class _Term(NamedTuple):
    """One kept operation: its share of the node's sum, and the modules that yield its value."""

    source: int
    weight: float
    shared: str | None  # of the source: a ReLU or an operation without parameters
    edge: int | None  # where the rest of the operation is the edge's own
    name: str


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
    """

    def __init__(
        self,
        edges: Edges,
        operations: Sequence[str],
        inputs: int,
        channels: int,
        stride: int = 1,
        cell_type: int = 0,
    ) -> None:
        super().__init__()
        self.cell_type = cell_type
        self.edges = tuple(edges)
        self.operations = tuple(operations)
        self.inputs = inputs
        self.shared = nn.ModuleDict()
        self.own = nn.ModuleList()
        self._stems: dict[tuple[int, str], str | None] = {}
        for source, _ in self.edges:
            own = nn.ModuleDict()
            for name in self.operations:
                if name != "none":
                    operation = build_operation(name, channels, stride if source < inputs else 1)
                    self._add(source, name, operation, own)
            self.own.append(own)
        self._plan: list[list[_Term]] = []

    def _add(self, source: int, name: str, operation: nn.Module, own: nn.ModuleDict) -> None:
        """Split an operation into the part its source shares and the part of the edge's own."""
        shared: str | None = None
        part: nn.Module = operation
        if isinstance(operation, nn.Sequential) and isinstance(operation[0], nn.ReLU):
            shared, part = f"{source}_relu", operation[0]
            own[name] = operation[1:]
        elif not any(True for _ in operation.parameters()):
            shared = f"{source}_{name}"
        else:
            own[name] = operation
        if shared is not None and shared not in self.shared:
            self.shared[shared] = part
        self._stems[source, name] = shared

    def keep(self, mask: Tensor) -> None:
        """Run only what `mask`, boolean of shape (edges, operations), keeps."""
        plan: dict[int, list[_Term]] = {target: [] for _, target in self.edges}
        for edge, ((source, target), row) in enumerate(zip(self.edges, mask.tolist(), strict=True)):
            kept = [name for name, keep in zip(self.operations, row, strict=True) if keep]
            for name in kept:
                shared = self._stems[source, name]
                own = edge if name in self.own[edge] else None  # type: ignore[operator]
                plan[target].append(_Term(source, 1 / len(kept), shared, own, name))
        self._plan = list(plan.values())

    def nodes(self, *inputs: Tensor) -> list[Tensor]:
        """The values of the nodes after the inputs, in order."""
        values = list(inputs)
        cache: dict[str, Tensor] = {}
        for terms in self._plan:
            total: Tensor | None = None
            for source, weight, shared, edge, name in terms:
                x = values[source]
                if shared is not None:
                    if shared not in cache:
                        cache[shared] = self.shared[shared](x)
                    x = cache[shared]
                if edge is not None:
                    x = self.own[edge][name](x)  # type: ignore[index]
                if total is None:
                    total = x if weight == 1 else x * weight
                else:
                    total = torch.add(total, x, alpha=weight)
            assert total is not None  # `check_mask`: every node has an input
            values.append(total)
        return values[self.inputs :]


def check_mask(mask: Tensor, cells: Sequence[str], edges: Edges, operations: Sequence[str]) -> None:
    """Refuse a mask that no supernet can run.

    Raises:
        ValueError: not boolean, not of shape (cells, edges, operations), one that keeps `none`, or
            one that leaves a node without input.
    """
    shape = (len(cells), len(edges), len(operations))
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or tuple(mask.shape) != shape:
        given = (
            f"{mask.dtype} of shape {tuple(mask.shape)}"
            if isinstance(mask, Tensor)
            else type(mask).__name__
        )
        raise ValueError(
            f"mask: expected torch.bool of shape {shape} (cells, edges, operations), got {given}"
        )
    for cell, rows in zip(cells, mask.tolist(), strict=True):
        fed = set()
        for (source, target), row in zip(edges, rows, strict=True):
            if "none" in operations and row[operations.index("none")]:
                raise ValueError(f"mask: {cell} cell keeps 'none' on edge {source}→{target}")
            if any(row):
                fed.add(target)
        for _, node in edges:
            if node not in fed:
                raise ValueError(f"mask: {cell} cell leaves node {node} without input")


def check_stem(use_stem: bool, in_channels: int, channels: int) -> None:
    """Refuse to do without a stem where the first cell's maps are not the image's.

    Raises:
        ValueError: `in_channels` differs from the stem's `channels`.
    """
    if not use_stem and in_channels != channels:
        raise ValueError(
            f"use_stem: without a stem in_channels must be {channels} (the first cell's), "
            f"got {in_channels}"
        )


def full_mask(cells: int, edges: int, operations: Sequence[str]) -> Tensor:
    """The mask that keeps everything but `none`: boolean, (cells, edges, operations)."""
    return torch.tensor([name != "none" for name in operations]).repeat(cells, edges, 1)


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
            ValueError: see `check_mask`.
        """
        check_mask(mask, self.cell_names, self.edges, self.operations)
        self._mask = mask.detach().cpu().clone()
        for module in self.modules():
            if isinstance(module, SupernetCell):
                module.keep(self._mask[module.cell_type])
