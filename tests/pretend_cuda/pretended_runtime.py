"""`torch.cuda` as a program finds it where there is a device, and the block that pretends one."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any, Self
from unittest import mock

import torch
from pretended_calls import Calls
from pretended_cuda import CUDA, MARK, Dispatch, PretendedCuda
from torch import Tensor
from torch.distributed import distributed_c10d as c10d


@contextmanager
def pretend_cuda(nccl: bool = False, sites: bool = False) -> Iterator[PretendedCuda]:
    """A block in which there is one CUDA device; every process calls it cuda:0.

    Args:
        nccl: collectives (of gloo, which does the work) refuse tensors of the CPU, as NCCL does.
        sites: note the lines that synchronise.
    """
    cuda = PretendedCuda(nccl, sites)
    with ExitStack() as stack:
        for patch in _patches(cuda):
            stack.enter_context(patch)
        stack.enter_context(Dispatch(cuda))
        stack.enter_context(Calls(cuda))
        yield cuda


class _Idle:
    """A stream, event or block of a device that has nothing to wait for."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None: ...

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def _runtime(cuda: PretendedCuda) -> dict[str, Any]:
    """Functions of `torch.cuda` by name."""

    def seed(value: int) -> None:
        cuda.generator.manual_seed(int(value))

    def state(device: Any = "cuda") -> Tensor:
        return cuda.generator.get_state()

    def set_state(new: Tensor, device: Any = "cuda") -> None:
        cuda.generator.set_state(new)

    properties = SimpleNamespace(
        name="Pretended", major=9, minor=0, total_memory=80 * 2**30, multi_processor_count=132
    )
    return {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "is_initialized": lambda: True,
        "init": lambda: None,
        "_lazy_init": lambda: None,
        "current_device": lambda: 0,
        "set_device": lambda device: None,
        "synchronize": lambda device=None: cuda.sync("synchronize"),
        "manual_seed": seed,
        "manual_seed_all": seed,
        "get_rng_state": state,
        "set_rng_state": set_state,
        "get_rng_state_all": lambda: [state()],
        "set_rng_state_all": lambda states: set_state(states[0]),
        "initial_seed": cuda.generator.initial_seed,
        "get_device_properties": lambda device=None: properties,
        "get_device_capability": lambda device=None: (9, 0),
        "get_device_name": lambda device=None: properties.name,
        "is_bf16_supported": lambda *_, **__: True,
        "memory_stats": lambda device=None: {},
        "reset_peak_memory_stats": lambda device=None: None,
        "empty_cache": lambda: None,
        "device": _Idle,
        "stream": _Idle,
        "Stream": _Idle,
        "Event": _Idle,
        "current_stream": lambda device=None: _Idle(),
    }


def _patches(cuda: PretendedCuda) -> Iterator[Any]:
    for name, new in _runtime(cuda).items():
        yield mock.patch.object(torch.cuda, name, new)
        if hasattr(torch.cuda.random, name):
            yield mock.patch.object(torch.cuda.random, name, new)

    autocast = torch.amp.autocast_mode.autocast
    start = autocast.__init__

    def start_on_cpu(self: Any, device_type: str, *args: Any, **kwargs: Any) -> None:
        start(self, "cpu" if device_type == "cuda" else device_type, *args, **kwargs)

    yield mock.patch.object(autocast, "__init__", start_on_cpu)

    def tag(storage: Any) -> str | None:  # a checkpoint says where its tensors were
        raw = getattr(storage, "_untyped_storage", storage)
        return "cuda:0" if getattr(raw, MARK, "") == "cuda" else None

    entry = (-1, tag, lambda storage, location: None)
    registry = [entry, *torch.serialization._package_registry]
    yield mock.patch.object(torch.serialization, "_package_registry", registry)
    if cuda.nccl:  # NCCL carries objects as tensors on the device
        yield mock.patch.object(c10d, "_get_object_coll_device", return_value="cuda:0")
        yield mock.patch.object(c10d, "_get_pg_default_device", return_value=CUDA)
