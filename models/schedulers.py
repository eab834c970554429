"""Schedules that a config can name, and a look ahead at any."""

import copy
import math
import warnings
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

_LAST = 5


class WarmupLinear(LambdaLR):
    """Linear growth to the optimizer's rate, then a straight line to 0; stepped once per epoch.

    The schedule by which P-DARTS, PC-DARTS and TE-NAS train on ImageNet. Epoch t < `warmup` (from
    0) trains at (t + 1)/`warmup` of the rate; the others at (`epochs` − 5 − t)/(`epochs` − 5), but
    for the last five, which share the last step of that line: one to a fifth of 1/(`epochs` − 5).

    Args:
        optimizer: whose rate is the highest.
        epochs: all of them, the warm-up too; as `trainer.max_epochs`.
        warmup: epochs of growth.

    Raises:
        ValueError: no warm-up, or no room between it and the last five epochs.
    """

    def __init__(self, optimizer: Optimizer, epochs: int, warmup: int = 5) -> None:
        if not 1 <= warmup < epochs - _LAST:
            raise ValueError(
                f"warmup: expected 1 to {epochs - _LAST - 1} of {epochs} epochs, got {warmup}"
            )
        self.epochs = epochs
        line = epochs - _LAST

        def share(epoch: int) -> float:
            if epoch < warmup:
                return (epoch + 1) / warmup
            if epoch < line:
                return (line - epoch) / line
            return max(epochs - epoch, 0) / (_LAST * line)

        super().__init__(optimizer, share)


class WarmupCosine(LambdaLR):
    """Linear growth to the optimizer's rate, then half a cosine to 0; stepped once per epoch.

    Epoch t < `warmup` (from 0) trains at (t + 1)/(`warmup` + 1) of the rate; the others at
    (1 + cos(π (t − `warmup`)/(`epochs` − `warmup`)))/2.

    Args:
        optimizer: whose rate is the highest.
        epochs: all of them, the warm-up too; as `trainer.max_epochs`.
        warmup: epochs of growth.

    Raises:
        ValueError: no warm-up, or no epoch after it.
    """

    def __init__(self, optimizer: Optimizer, epochs: int, warmup: int = 3) -> None:
        if not 1 <= warmup < epochs:
            raise ValueError(f"warmup: expected 1 to {epochs - 1} of {epochs} epochs, got {warmup}")
        self.epochs = epochs

        def share(epoch: int) -> float:
            if epoch < warmup:
                return (epoch + 1) / (warmup + 1)
            done = min(1.0, (epoch - warmup) / (epochs - warmup))
            return (1 + math.cos(math.pi * done)) / 2

        super().__init__(optimizer, share)


def rehearse(make: Callable[[Optimizer], Any], optimizer: Optimizer, epochs: int) -> None:
    """Step a schedule through all epochs, so that one which cannot is refused before training.

    Args:
        make: optimizer to scheduler.
        optimizer: left as it is.
        epochs: how often the schedule will be stepped.

    Raises:
        Exception: whatever the schedule raises.
    """
    twin = copy.copy(optimizer)
    twin.param_groups = [
        copy.deepcopy({k: v for k, v in group.items() if k != "params"})
        | {"params": group["params"]}
        for group in optimizer.param_groups
    ]
    scheduler = make(twin)
    if isinstance(scheduler, ReduceLROnPlateau):  # steps by what is measured
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no step of the optimizer before
        for _ in range(epochs):
            scheduler.step()
