"""Gram matrix of gradients, one backward pass per sample: for any network and parameter."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from models.indicators._autograd.gram import Gram

Row = tuple[Tensor, ...]


def add_rows(
    gram: Gram, targets: Sequence[Tensor], theta: Sequence[Tensor], chunk_size: int
) -> None:
    """Add, for each function F (N), the kernel of its gradients by `theta`.

    chunk_size: rows of ∂F/∂θ that one batched backward pass computes, fewer where the device has
    no memory for as many. On a CPU, single ones run side by side, one on each of torch's threads.
    """
    for F in targets if theta else ():
        # a parameter without gradient would come back without the axis of the rows
        probe = torch.autograd.grad(F.sum(), theta, retain_graph=True, allow_unused=True)
        used = [p for p, gradient in zip(theta, probe, strict=True) if gradient is not None]
        if not used:
            continue
        cotangents = torch.eye(len(F), dtype=F.dtype, device=F.device)
        if F.device.type == "cpu" and chunk_size == 1:
            with _workers(torch.get_num_threads()) as each:
                rows = list(each(partial(_rows, F, used), torch.split(cotangents, 1)))
        else:
            rows, chunk_size = _by_chunks(partial(_rows, F, used), cotangents, chunk_size)
        for columns in zip(*rows, strict=True):
            gram.add_columns(torch.cat(columns).flatten(1))


def _by_chunks(
    compute: Callable[[Tensor], Row], cotangents: Tensor, chunk_size: int
) -> tuple[list[Row], int]:
    """Compute the rows, and find the size of chunks that fits: half as many each time it fails.

    Raises torch.OutOfMemoryError where a single one does not fit.
    """
    rows: list[Row] = []
    chunk_size = min(chunk_size, len(cotangents))
    while len(cotangents):
        try:
            rows.append(compute(cotangents[:chunk_size]))
        except torch.OutOfMemoryError:
            if chunk_size == 1:
                raise
            chunk_size //= 2
        else:
            cotangents = cotangents[chunk_size:]
    return rows, chunk_size


def _rows(F: Tensor, theta: Sequence[Tensor], cotangents: Tensor) -> Row:
    """Products of (rows, N) cotangents with ∂F/∂θ, (rows, *shape) for each parameter."""
    if len(cotangents) == 1:
        row = torch.autograd.grad(F, theta, cotangents[0], retain_graph=True)
        return tuple(gradient[None] for gradient in row)

    def row_of(cotangent: Tensor) -> Row:
        return torch.autograd.grad(F, theta, cotangent, retain_graph=True)

    # `is_grads_batched` is the vmap before this one: it runs most layers once per row
    batch: Row = torch.vmap(row_of)(cotangents)
    return batch


@contextmanager
def _workers(
    threads: int,
) -> Iterator[Callable[[Callable[[Tensor], Row], Iterable[Tensor]], Iterable[Row]]]:
    """A `map` over that many threads, each of which works alone.

    Rows are independent: torch's own way, all threads on one small layer at a time, has them wait
    for each other.
    """
    if threads == 1:
        yield map
        return
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            yield pool.map
        finally:
            torch.set_num_threads(threads)
