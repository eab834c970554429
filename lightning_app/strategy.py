"""The strategy of a search on several devices, or by several processes on one."""

from typing import Any

import torch
from pytorch_lightning.strategies import DDPStrategy, StrategyRegistry


class SearchStrategy(DDPStrategy):
    """Processes that share a search's candidates and average no gradients.

    Plain DDP would all-reduce whatever `.grad` an indicator leaves behind, and wait for parameters
    that a mask leaves unused. Processes talk by gloo unless `process_group_backend` says otherwise.

    Args:
        *args: as `DDPStrategy`.
        ranks_per_device: processes that share each device: a search of small networks does not
            fill one. Each takes its own part of the device's memory.
        **kwargs: as `DDPStrategy`.

    Raises:
        ValueError: a start method whose processes keep what they find to themselves, or ranks that
            share a device by another backend than gloo.
    """

    def __init__(self, *args: Any, ranks_per_device: int = 1, **kwargs: Any) -> None:
        # Scores are sent once a round: NCCL would bring start-up, memory and time-outs.
        backend = kwargs.get("process_group_backend") or "gloo"
        start = kwargs.get("start_method", "popen")
        if start != "popen":
            raise ValueError(
                f"start_method: {start}, expected popen: what a search finds stays in processes "
                "that are forked or spawned; in a notebook run it on one device"
            )
        if ranks_per_device < 1:
            raise ValueError(f"ranks_per_device: expected 1 or more, got {ranks_per_device}")
        if ranks_per_device > 1 and backend != "gloo":
            raise ValueError(f"ranks_per_device: {backend} allows 1; gloo allows more")
        self._ranks_per_device = ranks_per_device
        super().__init__(*args, **kwargs | {"process_group_backend": backend})

    @property
    def parallel_devices(self) -> list[torch.device] | None:
        """The device of each process of this machine."""
        return self._device_of_rank

    @parallel_devices.setter
    def parallel_devices(self, devices: list[torch.device] | None) -> None:
        ranks = range(self._ranks_per_device)
        self._device_of_rank = devices and [device for device in devices for _ in ranks]

    def configure_ddp(self) -> None:
        """Leave the module as it is: nothing is trained."""


StrategyRegistry.register("search", SearchStrategy, description=SearchStrategy.__doc__)
