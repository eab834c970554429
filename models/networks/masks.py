"""Boolean masks of the operations that a supernet's cells keep.

The mask of one cell has the shape (edges, operations), that of a network (cells, edges,
operations), cells meaning types of cells. True keeps an operation; `none` is never kept.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

Edges = Sequence[tuple[int, int]]


def full_mask(cells: int, edges: int, operations: Sequence[str]) -> Tensor:
    """The mask that keeps everything but `none`: boolean, (cells, edges, operations)."""
    return torch.tensor([name != "none" for name in operations]).repeat(cells, edges, 1)


def as_mask(mask: Any, shape: tuple[int, ...], operations: Sequence[str]) -> Tensor:
    """A copy of a mask on the CPU.

    Raises:
        ValueError: not boolean, not of `shape`, or one that keeps `none`.
    """
    try:
        tensor = torch.as_tensor(mask)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"mask: expected a boolean tensor, got {type(mask).__name__}") from None
    if tensor.dtype != torch.bool or tuple(tensor.shape) != shape:
        names = ("cells", "edges", "operations")[-len(shape) :]
        raise ValueError(
            f"mask: expected torch.bool of shape {shape} ({', '.join(names)}), "
            f"got {tensor.dtype} of shape {tuple(tensor.shape)}"
        )
    if "none" in operations:
        kept = tensor[..., operations.index("none")].nonzero()
        if len(kept):
            where = ", ".join(map(str, kept[0].tolist()))
            raise ValueError(f"mask: keeps 'none', which is no operation, in row [{where}]")
    return tensor.detach().cpu().clone()


def check_fed(mask: Tensor, cells: Sequence[str], edges: Edges) -> None:
    """Refuse a mask (cells, edges, operations) that leaves a node without input.

    Raises:
        ValueError: names the cell and the node.
    """
    for cell, rows in zip(cells, mask.any(dim=-1).tolist(), strict=True):
        fed = {target for (_, target), kept in zip(edges, rows, strict=True) if kept}
        for _, node in edges:
            if node not in fed:
                raise ValueError(f"mask: {cell} cell leaves node {node} without input")
