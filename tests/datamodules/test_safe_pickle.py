"""Pickles that would run code, and those of the field."""

import contextlib
import pickle
import pickletools
from pathlib import Path

import numpy as np
import pytest
from numpy._core.numeric import _frombuffer

from datamodules.safe_pickle import load_arrays


class Malicious:
    """Unpickled by `pickle.load`, this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (f"open({str(self.path)!r}, 'w').close()",)


@pytest.mark.parametrize("protocol", range(6))
def test_code_is_refused_and_does_not_run(tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "trace"
    path = tmp_path / "data_batch_1"
    content = {"data": np.zeros((2, 3), np.uint8), "labels": [1, 2], "evil": Malicious(trace)}
    path.write_bytes(pickle.dumps(content, protocol))
    with pytest.raises(ValueError, match=r"data_batch_1: refused, .*\.exec"):
        load_arrays(path)
    assert not trace.exists()
    with open(path, "rb") as file:
        pickle.load(file)  # noqa: S301 - the file is really malicious
    assert trace.exists()


@pytest.mark.parametrize(
    "stolen",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct.__globals__\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.",
        b"c_codecs\nencode\n(S'x'\nS'zlib'\ntR.",
        b"ccopyreg\n_reconstructor\n.",
    ],
)
def test_nothing_but_arrays_is_reached(tmp_path: Path, stolen: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(stolen)
    pickletools.dis(stolen, out=open("/dev/null", "w"))  # noqa: SIM115 - well formed, so refused
    with pytest.raises(ValueError, match="file: refused"):
        load_arrays(path)


REDUCE = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntC\x01btR"
DTYPE = b"cnumpy\ndtype\n(S'%b'\ntR"


@pytest.mark.parametrize(
    "crafted",
    [
        # An array of objects over bytes: using one of them would follow a chosen address.
        b"\x80\x03cnumpy\nndarray\n(K\x01\x85cnumpy\ndtype\nU\x01O\x85RC\x08AAAAAAAAtR.",
        b"\x80\x04cnumpy\nndarray\n)\x81.",
        b"\x80\x03" + DTYPE % b"O" + b".",
        b"\x80\x03" + DTYPE % b"O8" + b".",
        b"\x80\x03" + DTYPE % b"u1,O" + b".",
        b"\x80\x03" + DTYPE % b"V8" + b".",
        b"\x80\x03" + DTYPE % b"u1" + b"(I3\nS'|'\nNS'a'\n}I8\nI1\nI63\ntb.",
        # The same by the state of an empty array, and of one made otherwise.
        b"\x80\x03" + REDUCE + b"(I1\n(I1\nt" + DTYPE % b"O" + b"I00\nC\x08AAAAAAAAtb.",
        b"\x80\x03" + REDUCE.replace(b"I0\n", b"I9\n") + b".",
        b"\x80\x03" + REDUCE.replace(b"C\x01b", b"C\x01O") + b".",
        b"\x80\x03" + REDUCE + b".",
        b"\x80\x03cnumpy\nndarray\n.",
    ],
)
def test_memory_cannot_be_taken_for_objects(tmp_path: Path, crafted: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(crafted)
    pickletools.dis(crafted, out=open("/dev/null", "w"))  # noqa: SIM115 - well formed, so refused
    with pytest.raises(ValueError, match=r"file: (refused|truncated or not)"):
        load_arrays(path)


@pytest.mark.parametrize(
    "name",
    [
        b"numpy._core.numeric\n_frombuffer",
        b"numpy._core.multiarray\n_reconstruct",
        b"numpy\nndarray",
        b"numpy\ndtype",
        b"_codecs\nencode",
    ],
)
@pytest.mark.parametrize("state", [b"N}X\x0c\x00\x00\x00__defaults__(I7\nts\x86", b"}U\x01aK\x01s"])
def test_state_of_what_is_admitted_cannot_be_set(tmp_path: Path, name: bytes, state: bytes) -> None:
    before = _frombuffer.__defaults__, dict(vars(_frombuffer))
    path = tmp_path / "file"
    path.write_bytes(b"\x80\x03c" + name + b"\n" + state + b"b.")
    try:
        with pytest.raises(ValueError, match=r"file: refused, .*a state for"):
            load_arrays(path)
        assert (_frombuffer.__defaults__, dict(vars(_frombuffer))) == before
    finally:
        _frombuffer.__defaults__ = before[0]
        vars(_frombuffer).pop("a", None)


def test_dtypes_of_numpy_cannot_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(
        b"\x80\x03" + DTYPE % b"i4" + b"(I3\nS'>'\nNNNI-1\nI-1\nI1\ntb0" + DTYPE % b"i4" + b"0N."
    )
    assert load_arrays(path) is None
    assert (np.dtype("i4").byteorder, np.dtype("i4").flags) == ("=", 0)


def test_truth_values_are_0_and_1(tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = pickle.dumps(np.array([True, False]), 4)
    path.write_bytes(content.replace(b"C\x02\x01\x00", b"C\x02\xff\x00"))
    assert load_arrays(path).view(np.uint8).tolist() == [1, 0]


def test_containers_in_themselves_are_refused(tmp_path: Path) -> None:
    path, endless = tmp_path / "file", []
    endless.append(endless)
    path.write_bytes(pickle.dumps(endless))
    with pytest.raises(ValueError, match="file: truncated or not a pickle"):
        load_arrays(path)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=">i4").reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2),
        np.arange(10, dtype=np.int16)[::3],
        np.array([True, False]),
        np.array(["a", "bcd"]),
        np.array([b"a", b"bcd"]),
        np.array(3.5, np.float16),
    ],
)
def test_arrays_of_every_kind(tmp_path: Path, protocol: int, array: np.ndarray) -> None:
    path = tmp_path / "file"
    path.write_bytes(pickle.dumps({"a": array, "again": array}, protocol))
    read = load_arrays(path)
    assert read["a"].dtype == array.dtype
    assert np.array_equal(read["a"], array)
    assert read["a"].shape == array.shape
    assert read["again"] is read["a"]


def test_empty_array(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(pickle.dumps(np.zeros((0, 3), np.uint8)))
    assert load_arrays(path).shape == (0, 3)


def test_file_of_numpy_1_under_python_2(tmp_path: Path) -> None:
    # As CIFAR's: `numpy.core`, byte strings for text, pixels in a byte string.
    path = tmp_path / "file"
    path.write_bytes(
        b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
        b"K\x00\x85U\x01b\x87R(K\x01K\x02K\x02\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x04\xff\x01\x80\x02tbs."
    )
    assert load_arrays(path)["data"].tolist() == [[255, 1], [128, 2]]


@pytest.mark.parametrize("kept", [0, 1, 20, -1])
def test_truncated_file_is_named(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(pickle.dumps({"data": np.zeros(50, np.uint8)})[:kept])
    with pytest.raises(ValueError, match=r"file: (truncated|refused)"):
        load_arrays(path)


def test_fuzzed_files_raise_value_errors_alone(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    whole = np.frombuffer(pickle.dumps({"data": np.zeros((4, 5), np.uint8), "labels": [1]}), "u1")
    path = tmp_path / "file"
    read = 0
    for _ in range(500):
        mutated = whole.copy()
        positions = random.integers(0, len(whole), 3)
        mutated[positions] = random.integers(0, 256, 3)
        path.write_bytes(mutated.tobytes())
        with contextlib.suppress(ValueError):
            assert isinstance(load_arrays(path), dict)
            read += 1
    assert 0 < read < 500
