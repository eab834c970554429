"""Pickles from elsewhere, read so that nothing in them can run."""

import os
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy._core.multiarray import _reconstruct
from numpy._core.numeric import _frombuffer  # type: ignore[attr-defined]


def _encode(text: str, encoding: str) -> bytes:
    """Python 3 writes bytes under the old protocols as a latin-1 text and its encoding."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"the encoding {encoding!r}")
    return text.encode("latin-1")


_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
}


_DAMAGED = (
    *(EOFError, TypeError, ValueError, AttributeError, LookupError),
    *(OverflowError, MemoryError),  # a length of exabytes
)


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        # Looked up, never imported: what is not in the table does not even load its module.
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return _ADMITTED[module, name]


def load_arrays(path: str | os.PathLike[str]) -> Any:
    """Read a pickle of numpy arrays, numbers, texts and containers of these.

    Python 2's texts, as in the CIFAR files, are read as latin-1.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is truncated or no pickle, or asks for anything but numpy arrays;
            none of it is then run.
    """
    with open(path, "rb") as file, warnings.catch_warnings():
        # Written by numpy 1, whose pickled dtypes hold `align` as a number.
        warnings.filterwarnings("ignore", ".*align should be passed.*")
        try:
            return _ArraysOnly(file, encoding="latin1").load()
        except pickle.UnpicklingError as error:
            raise ValueError(
                f"{os.fspath(path)}: refused, only numpy arrays and plain values are read ({error})"
            ) from error
        except _DAMAGED as error:
            raise ValueError(f"{os.fspath(path)}: truncated or not a pickle ({error})") from error
