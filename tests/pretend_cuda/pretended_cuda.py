"""A pretended CUDA device: the CPU computes, and what a CUDA program may not do raises.

A tensor is on the device by a mark on its storage, so that views, detached tensors and parameters
whose `.data` is exchanged keep it. What the mode cannot see: which kernel a GPU takes, its
rounding, the order of its sums, streams, C++ code that asks for the device, compiled code, NCCL.
"""

import hashlib
import traceback
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
CUDA = torch.device("cuda", 0)
MARK = "_pretended"
"""Attribute of a storage: `cuda`, or `any` (made inside C++; takes the side of what it meets)."""

_TRANSFERS = {aten.copy_, aten._to_copy, aten._copy_from}
_INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._unsafe_index, aten._index_put_impl_}
_SYNCHRONISING = {
    aten._local_scalar_dense, aten.equal, aten.nonzero, aten.masked_select, aten.unique_dim,
    aten._unique2, aten.unique_consecutive, aten.repeat_interleave, aten._linalg_eigh,
    aten._linalg_svd, aten.linalg_eigvalsh, aten._linalg_eigvals,
}  # fmt: skip
_NO_LAUNCH = {
    aten.detach, aten.view, aten._unsafe_view, aten.alias, aten.empty, aten.empty_like,
    aten.new_empty, aten.empty_strided, aten.resize_,
}  # fmt: skip
_LAUNCHES = {aten.convolution_backward: 2, aten.equal: 3, aten.cross_entropy_loss: 2}


def storage_of(tensor: Tensor) -> Any:
    """The CPU storage below a tensor, through the wrappers of `torch.func`; None of others."""
    functorch = torch._C._functorch
    with torch._C.DisableTorchFunction():
        while functorch.is_functorch_wrapped_tensor(tensor):
            tensor = functorch.get_unwrapped(tensor)
        if tensor.device.type != "cpu" or tensor.layout != torch.strided:
            return None
        return tensor.untyped_storage()


def mark_of(tensor: Tensor) -> str:
    """`cuda`, `any`, or nothing for a tensor of the CPU."""
    return getattr(storage_of(tensor), MARK, "")


def tensors_in(tree: Any) -> list[Tensor]:
    """All tensors among arguments or results, in nested lists, tuples and dictionaries."""
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    if not isinstance(tree, list | tuple) or (tree and isinstance(tree[0], int | float)):
        return []  # a list of numbers is none of tensors
    return [tensor for branch in tree for tensor in tensors_in(branch)]


def site() -> str:
    """The innermost line of the project on the stack."""
    for frame in reversed(traceback.extract_stack()):
        name = frame.filename
        if "site-packages" in name or "pretend" in name or "/lib/python" in name:
            continue
        return f"{'/'.join(name.split('/')[-3:])}:{frame.lineno}"
    return "?"


class PretendedCuda:
    """State of the device, and counts of what a GPU would have had to do.

    Args:
        nccl: whether collectives refuse tensors of the CPU.
        sites: whether `sync_sites` notes the lines that synchronise.

    Attributes:
        launches: kernels.
        syncs: by kind, how often the host waited.
        sync_sites: the same by line of the project.
        transfers: copies between host and device, by kind.
        draws: of every draw on the device, a digest of the generator's state before it.
        collectives: calls by name.
        peak: bytes of tensors on the device at most.
    """

    def __init__(self, nccl: bool = False, sites: bool = False) -> None:
        self.generator = torch.Generator().manual_seed(67280421310721)
        self.nccl = nccl
        self.sites = sites
        self.launches = 0
        self.syncs: Counter[str] = Counter()
        self.sync_sites: Counter[str] = Counter()
        self.transfers: Counter[str] = Counter()
        self.draws: list[str] = []
        self.collectives: Counter[str] = Counter()
        self.live = self.peak = 0
        self.calls: list[tuple[bool | None, bool]] = []
        """Of Python calls in progress: whether they ask for CUDA, and whether they make tensors."""
        self.pauses = 0

    def reset(self) -> None:
        """Count anew."""
        self.launches = 0
        self.draws.clear()
        for counter in (self.syncs, self.sync_sites, self.transfers, self.collectives):
            counter.clear()
        self.peak = self.live

    def put(self, tensor: Tensor, mark: str = "cuda") -> None:
        """Mark a tensor's storage."""
        storage = storage_of(tensor)
        if storage is None or getattr(storage, MARK, "") == mark:
            return
        setattr(storage, MARK, mark)
        if mark == "cuda":
            size = storage.nbytes()
            self.live += size
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self.live -= size

    def sync(self, kind: str) -> None:
        """Note that the host waits."""
        self.syncs[kind] += 1
        if self.sites:
            self.sync_sites[f"{site()} ({kind})"] += 1

    @contextmanager
    def paused(self) -> Iterator[None]:
        """A block in which the CPU computes and nothing is counted."""
        self.pauses += 1
        try:
            yield
        finally:
            self.pauses -= 1

    @contextmanager
    def calling(self, asked: bool | None, makes: bool) -> Iterator[None]:
        """A Python call in progress, as in `calls`."""
        self.calls.append((asked, makes))
        try:
            yield
        finally:
            self.calls.pop()

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """A block that draws from the device's own generator."""
        with torch._C.DisableTorchFunction(), self.paused():
            host, device = torch.default_generator.get_state(), self.generator.get_state()
            self.draws.append(hashlib.md5(bytes(device.tolist())).hexdigest())  # noqa: S324
            torch.default_generator.set_state(device)
        try:
            yield
        finally:
            with torch._C.DisableTorchFunction(), self.paused():
                self.generator.set_state(torch.default_generator.get_state())
                torch.default_generator.set_state(host)


class Dispatch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Checks the devices of every operator, counts it, and marks what it makes."""

    def __init__(self, cuda: PretendedCuda) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.cuda = cuda

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operator."""
        kwargs = kwargs or {}
        cuda = self.cuda
        if cuda.pauses:
            return func(*args, **kwargs)
        inputs = tensors_in((args, kwargs))
        marks = [mark_of(tensor) for tensor in inputs]
        if func.namespace == "c10d":
            self._check_collective(func, marks)
            return func(*args, **kwargs)
        on_cuda = "cuda" in marks
        on_cpu = [
            tensor
            for tensor, mark in zip(inputs, marks, strict=True)
            if not mark and tensor.dim() > 0 and tensor.device.type == "cpu"
        ]  # tensors without axes are scalars, which CUDA takes
        if on_cuda and on_cpu and func.overloadpacket not in _TRANSFERS:
            self._check_mixture(func, marks, on_cpu)
        asked, makes = cuda.calls[-1] if cuda.calls else (None, False)
        target = on_cuda or asked is True
        if target and torch.Tag.nondeterministic_seeded in func.tags:
            if any(isinstance(a, torch.Generator) for a in (*args, *kwargs.values())):
                raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
            with cuda.drawing():
                out = func(*args, **kwargs)
        else:
            out = func(*args, **kwargs)
        if target:
            self._count(func, inputs, marks)
        explicit = kwargs.get("device") is not None
        known = {id(storage_of(tensor)) for tensor in inputs}
        for tensor in tensors_in(out):
            if id(storage_of(tensor)) in known:
                if on_cuda and mark_of(tensor) == "any":
                    cuda.put(tensor)
            elif inputs and not explicit:
                if on_cuda:
                    cuda.put(tensor)
                elif "any" in marks and not on_cpu:
                    cuda.put(tensor, "any")
            elif makes:  # asked for from Python
                if asked:
                    cuda.put(tensor)
            elif asked is None:  # made inside C++, by the options of a tensor
                cuda.put(tensor, "cuda" if on_cuda else "any")
        return out

    def _check_collective(self, func: Any, marks: Sequence[str]) -> None:
        self.cuda.collectives[str(func)] += 1
        if self.cuda.nccl and "barrier" not in str(func) and not all(marks):
            raise RuntimeError(
                f"No backend type associated with device type cpu ({func} at {site()})"
            )

    def _check_mixture(self, func: Any, marks: Sequence[str], on_cpu: Sequence[Tensor]) -> None:
        kinds = (torch.int64, torch.bool, torch.uint8)
        if (
            func.overloadpacket in _INDEXING
            and marks[0] == "cuda"
            and all(tensor.dtype in kinds for tensor in on_cpu)
        ):
            self.cuda.transfers["index"] += 1
            self.cuda.sync("cpu index")
            return
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"cuda:0 and cpu! ({func} at {site()})"
        )

    def _count(self, func: Any, inputs: Sequence[Tensor], marks: Sequence[str]) -> None:
        cuda, packet = self.cuda, func.overloadpacket
        if packet in _SYNCHRONISING:
            cuda.sync(str(packet).removeprefix("aten."))
        if packet in _INDEXING and any(tensor.dtype == torch.bool for tensor in inputs[1:]):
            cuda.sync("boolean index")
        if packet is aten.copy_ and len(marks) > 1 and len({m == "cuda" for m in marks[:2]}) > 1:
            cuda.transfers["to device" if marks[0] == "cuda" else "to host"] += 1
            cuda.sync("copy_")
        if not func.is_view and packet not in _NO_LAUNCH:
            cuda.launches += _LAUNCHES.get(packet, 1)
