"""Gram matrix of gradients, one backward pass per sample: for any network and parameter."""

from collections.abc import Sequence

import torch
from torch import Tensor

from models.indicators._gram import Gram


def add_rows(
    gram: Gram, targets: Sequence[Tensor], theta: Sequence[Tensor], chunk_size: int | None
) -> None:
    """Add, for each function F (N), the kernel of its gradients by `theta`.

    chunk_size: rows of ∂F/∂θ that one batched backward pass computes; by default 1 on a CPU, where
    convolutions run through a batch one by one, and 32 elsewhere.
    """
    for F in targets if theta else ():
        # a parameter without gradient would come back without the axis of the rows
        probe = torch.autograd.grad(F.sum(), theta, retain_graph=True, allow_unused=True)
        used = [p for p, gradient in zip(theta, probe, strict=True) if gradient is not None]
        chunk = chunk_size or (1 if F.device.type == "cpu" else 32)
        cotangents = torch.eye(len(F), dtype=F.dtype, device=F.device)
        rows = [_rows(F, used, v) for v in torch.split(cotangents, chunk)] if used else []
        for columns in zip(*rows, strict=True):
            gram.add_columns(torch.cat(columns).flatten(1))


def _rows(F: Tensor, theta: Sequence[Tensor], cotangents: Tensor) -> tuple[Tensor, ...]:
    """Products of (rows, N) cotangents with ∂F/∂θ, (rows, *shape) for each parameter."""
    if len(cotangents) == 1:
        row = torch.autograd.grad(F, theta, cotangents[0], retain_graph=True)
        return tuple(gradient[None] for gradient in row)
    return torch.autograd.grad(F, theta, cotangents, retain_graph=True, is_grads_batched=True)
