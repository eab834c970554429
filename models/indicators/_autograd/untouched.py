"""Evaluate a network and leave it as it was found, in exact arithmetic."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.backends import cuda, cudnn, mkldnn


@contextmanager
def untouched(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Restore on exit every buffer, training flag, `.grad` and the random state.

    A mere forward moves the running statistics of batch normalisation and may draw random
    numbers. A buffer keeps its identity, and is written to only where its value changed.
    """
    modules = list(network.modules())
    modes = [(module, module.training) for module in modules]
    gradients = [
        (parameter, parameter.grad)
        for module in modules
        for parameter in module._parameters.values()
        if parameter is not None
    ]
    buffers = [
        (module, name, buffer)
        for module in modules
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    valued = [buffer for _, _, buffer in buffers if not buffer.is_meta]
    snapshots = [_Snapshot(group) for group in _alike(valued)]
    accelerators = [device] if device.type not in ("cpu", "meta") else []
    with torch.random.fork_rng(accelerators, device_type=device.type if accelerators else "cuda"):
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training
            for parameter, gradient in gradients:
                parameter.grad = gradient
            for module, name, buffer in buffers:
                module._buffers[name] = buffer
            for snapshot in snapshots:
                snapshot.restore()


class _Snapshot:
    """The values of tensors of one type and device, in one: few launches, one synchronisation."""

    @torch.no_grad()
    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._tensors = tensors
        self._values = self._flat()

    def _flat(self) -> Tensor:
        return torch.cat([tensor.reshape(-1) for tensor in self._tensors])

    @torch.no_grad()
    def restore(self) -> None:
        """Write to the tensors whose values changed."""
        # the version counter cannot tell: native batch norm writes without raising it
        changed = (self._flat() != self._values).cpu()
        sizes = [tensor.numel() for tensor in self._tensors]
        split = (torch.split(flat, sizes) for flat in (changed, self._values))
        parts = zip(self._tensors, *split, strict=True)
        for tensor, differs, value in parts if changed.any() else ():
            if differs.any():
                tensor.copy_(value.view_as(tensor))


def _alike(tensors: Iterable[Tensor]) -> Iterable[list[Tensor]]:
    """The tensors in groups of one type and device; each once."""
    groups: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for tensor in dict.fromkeys(tensors):
        groups.setdefault((tensor.dtype, tensor.device), []).append(tensor)
    return groups.values()


@contextmanager
def exact_arithmetic(device: torch.device) -> Iterator[None]:
    """Switch off autocast, reduced-precision products and the choice of kernels by timing.

    And compiled code: indicators hook modules, swap them and change modes, at which `torch.compile`
    compiles anew until it gives up.
    """
    libraries: list[Any] = [cudnn, mkldnn, cuda]  # torch does not type their parts
    parts = ("matmul", "conv", "rnn")
    backends = [getattr(one, part) for one in libraries for part in parts if hasattr(one, part)]
    precisions = [backend.fp32_precision for backend in backends]
    deterministic, benchmark = cudnn.deterministic, cudnn.benchmark
    with ExitStack() as stack:
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        for kind in {"cpu", device.type} - {"meta"}:
            stack.enter_context(torch.autocast(kind, enabled=False))
        try:
            for backend in backends:
                backend.fp32_precision = "ieee"
            cudnn.deterministic, cudnn.benchmark = True, False
            yield
        finally:
            for backend, precision in zip(backends, precisions, strict=True):
                backend.fp32_precision = precision
            cudnn.deterministic, cudnn.benchmark = deterministic, benchmark
