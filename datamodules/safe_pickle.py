"""Read untrusted pickles without running their code or exposing numpy to them.

The numpy names in a pickle resolve to small objects of this file. They record the description of
an array and check it before the array is made: the pickle's instructions never reach a callable,
dtype or array of numpy, whose state they could otherwise set.
"""

import os
import pickle
import re
from typing import Any, NoReturn

import numpy as np

_DTYPE = re.compile(r"[biufSU][1-9][0-9]*")
"""Booleans, integers, floats and strings of fixed length."""
_PLAIN = (type(None), bool, int, float, complex, str, bytes, bytearray)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise pickle.UnpicklingError(what)


class _Stateless:
    """Base of the names in a pickle, without attributes that the pickle could set."""

    __slots__ = ()

    def __setstate__(self, state: object) -> NoReturn:
        raise pickle.UnpicklingError(f"a state for {type(self).__name__[1:]}")


class _NdarrayType(_Stateless):
    """Stand-in for the class numpy.ndarray; can be named but not called."""

    __slots__ = ()


class _DType:
    __slots__ = ("value",)

    def __init__(self, name: object) -> None:
        known = isinstance(name, str) and _DTYPE.fullmatch(name) is not None
        _require(known, f"the dtype {name!r}")
        self.value: np.dtype[Any] = np.dtype(str(name))

    def __setstate__(self, state: object) -> None:
        plain = isinstance(state, tuple) and len(state) == 8 and state[2:5] == (None, None, None)
        _require(plain, "a dtype of several fields")
        assert isinstance(state, tuple)
        _require(state[1] in ("|", "<", ">", "="), f"the byte order {state[1]!r}")
        self.value = self.value.newbyteorder(state[1])


class _Array:
    """Stand-in for an array; empty until its state is set."""

    __slots__ = ("value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: "np.ndarray | None" = None) -> None:
        self.value = value

    def __setstate__(self, state: object) -> None:
        _require(isinstance(state, tuple) and len(state) == 5, "an array of another version")
        assert isinstance(state, tuple)
        _, shape, dtype, fortran, raw = state
        # Python 2's byte strings were decoded as latin-1.
        raw = raw.encode("latin-1") if isinstance(raw, str) else raw
        self.value = _array(raw, dtype, shape, "F" if fortran else "C")


def _array(raw: object, dtype: object, shape: object, order: str) -> np.ndarray:
    _require(isinstance(dtype, _DType), "an array without dtype")
    _require(isinstance(raw, bytes | bytearray | memoryview), "an array without bytes")
    _require(isinstance(shape, tuple) and all(type(n) is int for n in shape), f"shape {shape!r}")
    _require(order in ("C", "F"), f"the order {order!r}")
    flat = np.frombuffer(raw, dtype.value)  # type: ignore[attr-defined, call-overload]
    if flat.dtype.kind == "b":
        flat = flat.view(np.uint8) != 0  # numpy relies on booleans being 0 or 1
    array: np.ndarray = flat.reshape(shape, order=order)
    return array


class _MakeDType(_Stateless):
    __slots__ = ()

    def __call__(self, name: object, *flags: object) -> _DType:
        return _DType(name)  # the flags are "align" and "copy"


class _Reconstruct(_Stateless):
    __slots__ = ()

    def __call__(self, kind: object, shape: object, code: object) -> _Array:
        empty = isinstance(kind, _NdarrayType) and shape == (0,) and code in (b"b", "b")
        _require(empty, "an array that is not made empty")
        return _Array()


class _FromBuffer(_Stateless):
    __slots__ = ()

    def __call__(
        self, raw: object, dtype: object, shape: object, order: str, axes: Any = None
    ) -> _Array:
        if order == "K":
            return _Array(_array(raw, dtype, shape, "C").transpose(axes))
        return _Array(_array(raw, dtype, shape, order))


class _Encode(_Stateless):
    """Stand-in for `codecs.encode`: old protocols write bytes as latin-1 text and encoding."""

    __slots__ = ()

    def __call__(self, text: str, encoding: str) -> bytes:
        _require(
            isinstance(text, str) and encoding in ("latin1", "latin-1"), f"encoding {encoding!r}"
        )
        return text.encode("latin-1")


_ADMITTED: dict[tuple[str, str], _Stateless] = {
    ("numpy.core.multiarray", "_reconstruct"): _Reconstruct(),
    ("numpy._core.multiarray", "_reconstruct"): _Reconstruct(),
    ("numpy._core.numeric", "_frombuffer"): _FromBuffer(),
    ("numpy.core.numeric", "_frombuffer"): _FromBuffer(),
    ("numpy", "ndarray"): _NdarrayType(),
    ("numpy", "dtype"): _MakeDType(),
    ("_codecs", "encode"): _Encode(),
}


_DAMAGED = (
    *(EOFError, TypeError, ValueError, AttributeError, LookupError),
    *(OverflowError, MemoryError),  # a length in exabytes
    *(BufferError, RecursionError),  # an array's bytes changed, recursive containers
)


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        # Looked up, never imported: names outside the table do not even load their module.
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return _ADMITTED[module, name]


def _finished(value: Any) -> Any:
    """Replace the stand-ins of a value by their arrays; refuse any other stand-in."""
    if isinstance(value, _Array):
        _require(value.value is not None, "an array without content")
        return value.value
    if isinstance(value, dict):
        return {_finished(key): _finished(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(_finished(entry) for entry in value)
    _require(type(value) in _PLAIN, f"a value of type {type(value).__name__.lstrip('_')}")
    return value


def load_arrays(path: str | os.PathLike[str]) -> Any:
    """Read a pickle of numpy arrays, numbers, strings and containers of these.

    Arrays hold booleans, integers, floats or strings; they may be read-only. Python 2's
    strings, as in the CIFAR files, are decoded as latin-1.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated, not a pickle, or contains anything but such arrays;
            none of it is executed.
    """
    with open(path, "rb") as file:
        try:
            return _finished(_ArraysOnly(file, encoding="latin1").load())
        except pickle.UnpicklingError as error:
            raise ValueError(
                f"{os.fspath(path)}: refused, only numpy arrays and plain values are read ({error})"
            ) from error
        except _DAMAGED as error:
            raise ValueError(f"{os.fspath(path)}: truncated or not a pickle ({error})") from error
