"""Batch normalisation whose batch statistics are constants."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm
from torch.nn.modules.batchnorm import _BatchNorm


def uses_batch_statistics(module: nn.Module) -> bool:
    """Whether `module` normalises by the batch at hand, and so couples its samples."""
    return isinstance(module, _BatchNorm) and (module.training or module.running_mean is None)


class FrozenBatchNorm:
    """Takes the place of the `forward` of every module that normalises by the batch.

    Statistics are kept in the order of the calls; `replay` makes the following forward use
    those of the one before, whatever its batch. No buffer is touched.
    """

    def __init__(self, network: nn.Module) -> None:
        self._modules = [m for m in network.modules() if uses_batch_statistics(m)]
        self._kept: dict[nn.Module, deque[tuple[Tensor, Tensor]]] = {}
        self._replaying = False

    def replay(self) -> None:
        self._replaying = True

    def _forward(self, module: _BatchNorm, x: Tensor) -> Tensor:
        kept = self._kept.setdefault(module, deque())
        if self._replaying:
            mean, variance = kept.popleft()
        else:
            module._check_input_dim(x)  # type: ignore[no-untyped-call]
            dims = [d for d in range(x.ndim) if d != 1]
            variance, mean = torch.var_mean(x.detach(), dims, correction=0)
            kept.append((mean, variance))
        return batch_norm(x, mean, variance, module.weight, module.bias, False, 0.0, module.eps)

    @contextmanager
    def installed(self) -> Iterator[None]:
        replaced = [(module, vars(module).get("forward")) for module in self._modules]
        try:
            for module in self._modules:
                vars(module)["forward"] = lambda x, module=module: self._forward(module, x)
            yield
        finally:
            for module, forward in replaced:
                if forward is None:
                    vars(module).pop("forward", None)
                else:
                    vars(module)["forward"] = forward
