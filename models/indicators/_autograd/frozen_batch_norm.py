"""Batch normalisation whose batch statistics are constants."""

from collections import Counter
from contextlib import AbstractContextManager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm
from torch.nn.modules.batchnorm import _BatchNorm

from models.indicators._autograd.forwards import has_forward_of, replaced_forwards


def uses_batch_statistics(module: nn.Module) -> bool:
    """Whether `module` normalises by the batch at hand, and so couples its samples."""
    return isinstance(module, _BatchNorm) and (module.training or module.running_mean is None)


def local_batch_norm(network: nn.Module) -> AbstractContextManager[None]:
    """Let every `SyncBatchNorm` normalise by the batch at hand, without other processes.

    Their samples are no part of what is computed, and they may not be at the same place.
    """
    return replaced_forwards(
        {
            module: partial(_BatchNorm.forward, module)
            for module in network.modules()
            if isinstance(module, nn.SyncBatchNorm) and has_forward_of(module, nn.SyncBatchNorm)
        }
    )


class FrozenBatchNorm:
    """Takes the place of the `forward` of every module that normalises by the batch.

    The statistics of each call are kept; `replay` makes the next forward use them again, whatever
    its batch. No buffer is touched.

    Raises ValueError, by name, for a subclass whose own `forward` it cannot stand in for.
    """

    def __init__(self, network: nn.Module) -> None:
        self._modules: list[_BatchNorm] = []
        for name, module in network.named_modules():
            if isinstance(module, _BatchNorm) and uses_batch_statistics(module):
                if not has_forward_of(module, _BatchNorm, nn.SyncBatchNorm):
                    raise ValueError(
                        f"batch_norm='frozen' does not know the forward of {name} "
                        f"({type(module).__name__}); use 'coupled' or call eval() on it"
                    )
                self._modules.append(module)
        self._statistics: dict[tuple[nn.Module, int], tuple[Tensor, Tensor]] = {}
        self._calls: Counter[nn.Module] = Counter()

    def replay(self) -> None:
        """Start again with the first call of every module."""
        self._calls.clear()

    def statistics(self, module: _BatchNorm, call: int) -> tuple[Tensor, Tensor]:
        """Mean and variance that the given call of `module` took for constants."""
        if module not in self._calls:
            assert module.running_mean is not None
            assert module.running_var is not None
            return module.running_mean, module.running_var
        return self._statistics[module, call]

    def installed(self) -> AbstractContextManager[None]:
        """Replace the forwards, and put them back."""
        return replaced_forwards(
            {module: partial(self._forward, module) for module in self._modules}
        )

    def _forward(self, module: _BatchNorm, x: Tensor) -> Tensor:
        call = (module, self._calls[module])
        self._calls[module] += 1
        if call not in self._statistics:
            module._check_input_dim(x)  # type: ignore[no-untyped-call]
            # the native kernel is three times as fast as var_mean on a CPU
            _, mean, inverse_std = torch.native_batch_norm(
                x.detach(), None, None, None, None, True, 0.0, module.eps
            )
            self._statistics[call] = mean, inverse_std.pow(-2) - module.eps
        mean, variance = self._statistics[call]
        return batch_norm(x, mean, variance, module.weight, module.bias, False, 0.0, module.eps)
