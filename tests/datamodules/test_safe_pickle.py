"""Pickles that would run code, and those of the field."""

import contextlib
import pickle
import pickletools
from pathlib import Path

import numpy as np
import pytest

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


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_plain_values_are_read(tmp_path: Path, protocol: int) -> None:
    random = np.random.default_rng(0)
    content = {
        "data": random.integers(0, 256, (5, 12), dtype=np.uint8),
        "mean": random.random(12),
        "labels": [1, 2, 3, 4, 5],
        "names": ["a", "b"],
    }
    path = tmp_path / "file"
    path.write_bytes(pickle.dumps(content, protocol))
    read = load_arrays(path)
    assert np.array_equal(read.pop("data"), content.pop("data"))
    assert np.array_equal(read.pop("mean"), content.pop("mean"))
    assert read == content


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
    for _ in range(500):
        mutated = whole.copy()
        positions = random.integers(0, len(whole), 3)
        mutated[positions] = random.integers(0, 256, 3)
        path.write_bytes(mutated.tobytes())
        with contextlib.suppress(ValueError):
            load_arrays(path)
