"""What Python asks of tensors on the pretended device: where they are, moves, copies to numpy."""

from collections.abc import Callable
from typing import Any

import torch
from pretended_cuda import CUDA, PretendedCuda, mark_of, storage_of, tensors_in
from torch import Tensor
from torch.overrides import TorchFunctionMode

Handler = Callable[[PretendedCuda, Any, Any, dict[str, Any]], Any]
_SOURCES = (torch.tensor, torch.as_tensor, torch.asarray)


def names_cuda(device: Any) -> bool | None:
    """Whether it names CUDA; None where it is no device."""
    if isinstance(device, torch.device):
        return device.type == "cuda"
    if isinstance(device, str):
        return device.split(":")[0] == "cuda"
    if isinstance(device, int) and not isinstance(device, bool):
        return True
    return None


class Calls(TorchFunctionMode):
    """Takes the device out of every call, and answers for tensors on the pretended one."""

    def __init__(self, cuda: PretendedCuda) -> None:
        super().__init__()
        self.cuda = cuda

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one call."""
        kwargs = dict(kwargs or {})
        cuda = self.cuda
        if cuda.pauses:
            return func(*args, **kwargs)
        if func in HANDLERS:
            return HANDLERS[func](cuda, func, args, kwargs)
        device = kwargs.get("device")
        asked = names_cuda(device)
        if asked is False and torch.device(device).type != "cpu":
            return func(*args, **kwargs)  # meta
        if asked:
            kwargs["device"] = "cpu"
            if kwargs.get("generator") is not None:
                raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
        if func in _SOURCES:
            return _made_from(cuda, func, args, kwargs, asked)
        copies = getattr(func, "__name__", "") == "__deepcopy__"  # its memo holds all copies so far
        makes = asked is not None or not tensors_in(args[0] if copies else (args, kwargs))
        with cuda.calling(asked, makes):
            out = func(*args, **kwargs)
        if asked:
            for tensor in tensors_in(out):
                cuda.put(tensor)
        return out


def _made_from(
    cuda: PretendedCuda, func: Any, args: Any, kwargs: dict[str, Any], asked: bool | None
) -> Tensor:
    """`torch.tensor` and its like, of values or of a tensor."""
    source = args[0] if args else None
    on = isinstance(source, Tensor) and mark_of(source) == "cuda"
    wanted = on if asked is None else asked
    with cuda.calling(wanted, True):
        out: Tensor = func(*args, **kwargs)
    if wanted == on:
        return out
    if isinstance(source, Tensor):
        with cuda.paused():
            out = out.clone()
    _note_transfer(cuda, wanted)
    if wanted:
        cuda.put(out)
    return out


def _note_transfer(cuda: PretendedCuda, to_cuda: bool, waits: bool = True) -> None:
    cuda.transfers["to device" if to_cuda else "to host"] += 1
    if waits:
        cuda.sync("pageable copy" if to_cuda else "copy to host")


def _move(
    cuda: PretendedCuda, x: Tensor, to_cuda: bool, options: dict[str, Any], waits: bool
) -> Tensor:
    """`x.to(**options)`, in a storage of its own where the device changes."""
    if (mark_of(x) == "cuda") == to_cuda:
        with cuda.calling(None, False):
            return x if not options else torch.Tensor.to(x, **options)
    with cuda.paused():  # autograd's own clone is the graph of a transfer
        y = x.to(**options) if options else x
        if storage_of(y) is storage_of(x):
            y = y.clone(memory_format=torch.preserve_format)
    if to_cuda:
        cuda.put(y)
    _note_transfer(cuda, to_cuda, waits or not to_cuda)
    return y


def _to(cuda: PretendedCuda, func: Any, args: Any, kwargs: dict[str, Any]) -> Tensor:
    """`Tensor.to` in all its forms: device, dtype, both, or another tensor's."""
    x, *rest = args
    named: Any = kwargs.get("device", rest[0] if rest else None)
    if names_cuda(named) is False and torch.device(named).type != "cpu":
        return func(*args, **kwargs)  # type: ignore[no-any-return]  # meta
    device, dtype = kwargs.pop("device", None), kwargs.pop("dtype", None)
    other = kwargs.pop("other", None)
    flags = []
    for value in rest:
        if isinstance(value, Tensor):
            other = value
        elif isinstance(value, torch.dtype):
            dtype = value
        elif names_cuda(value) is not None:
            device = value
        elif value is not None:
            flags.append(value)
    if other is not None:
        to_cuda, dtype = mark_of(other) == "cuda", other.dtype
    else:
        to_cuda = (mark_of(x) == "cuda") if device is None else bool(names_cuda(device))
    waits = not (kwargs.pop("non_blocking", False) or (flags and flags[0]))
    options = {name: value for name, value in kwargs.items() if value is not None}
    if len(flags) > 1:
        options["copy"] = flags[1]
    if dtype is not None or options:
        options["dtype"] = dtype or x.dtype
    with torch._C.DisableTorchFunction():
        nothing = not options or (options == {"dtype": x.dtype})
    if nothing and (mark_of(x) == "cuda") == to_cuda:
        return x  # type: ignore[no-any-return]
    return _move(cuda, x, to_cuda, options, waits)


def _to_cuda(cuda: PretendedCuda, func: Any, args: Any, kwargs: dict[str, Any]) -> Tensor:
    return _move(cuda, args[0], True, {}, not kwargs.get("non_blocking", False))


def _to_cpu(cuda: PretendedCuda, func: Any, args: Any, kwargs: dict[str, Any]) -> Tensor:
    return _move(cuda, args[0], False, {}, True)


def _numpy(cuda: PretendedCuda, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    if mark_of(args[0]) == "cuda":
        raise TypeError(
            "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor "
            "to host memory first."
        )
    return func(*args, **kwargs)


def _tolist(cuda: PretendedCuda, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    if mark_of(args[0]) == "cuda":
        cuda.sync("tolist")
    with cuda.paused():
        return func(*args, **kwargs)


def _pin_memory(cuda: PretendedCuda, func: Any, args: Any, kwargs: dict[str, Any]) -> Tensor:
    if mark_of(args[0]) == "cuda":
        raise RuntimeError("cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be")
    return args[0].clone()  # type: ignore[no-any-return]


def _new_tensor(cuda: PretendedCuda, func: Any, args: Any, kwargs: dict[str, Any]) -> Tensor:
    asked = names_cuda(kwargs.pop("device", None))
    on = mark_of(args[0]) == "cuda" if asked is None else asked
    with cuda.paused():
        out: Tensor = func(*args, **kwargs)
    if on:
        cuda.put(out)
        _note_transfer(cuda, True)
    return out


def _device(cuda: PretendedCuda, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    return CUDA if mark_of(args[0]) == "cuda" else func(*args, **kwargs)


def _is_cuda(cuda: PretendedCuda, func: Any, args: Any, kwargs: dict[str, Any]) -> bool:
    return mark_of(args[0]) == "cuda"


def _is_cpu(cuda: PretendedCuda, func: Any, args: Any, kwargs: dict[str, Any]) -> bool:
    return mark_of(args[0]) != "cuda" and func(*args, **kwargs)


def _get_device(cuda: PretendedCuda, func: Any, args: Any, kwargs: dict[str, Any]) -> int:
    return 0 if mark_of(args[0]) == "cuda" else -1


HANDLERS: dict[Any, Handler] = {
    torch.Tensor.device.__get__: _device,
    torch.Tensor.is_cuda.__get__: _is_cuda,  # type: ignore[attr-defined]
    torch.Tensor.is_cpu.__get__: _is_cpu,  # type: ignore[attr-defined]
    torch.Tensor.get_device: _get_device,
    torch.Tensor.to: _to,
    torch.Tensor.cuda: _to_cuda,
    torch.Tensor.cpu: _to_cpu,
    torch.Tensor.numpy: _numpy,
    torch.Tensor.__array__: _numpy,
    torch.Tensor.tolist: _tolist,
    torch.Tensor.pin_memory: _pin_memory,
    torch.Tensor.new_tensor: _new_tensor,
}
