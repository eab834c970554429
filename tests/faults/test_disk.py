"""Disks that fill up, folders that cannot be written, and kills amid a checkpoint."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

GO_ON = "to go on from the last checkpoint: the same command with --ckpt_path last"

AT_CHECKPOINT = """
import os, resource, signal, threading
from pathlib import Path
from lightning_app import checkpoint_io
save, count = checkpoint_io.SafeCheckpointIO.save_checkpoint, 0
def counted(self, checkpoint, path, storage_options=None):
    global count
    count += 1
    if count == {count}:
        {action}
    return save(self, checkpoint, path, storage_options)
checkpoint_io.SafeCheckpointIO.save_checkpoint = counted
"""

# Root may write anywhere: without these two capabilities it heeds the modes of its own files.
AS_OTHER_USERS = """
import ctypes
libc, header, sets = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522), (ctypes.c_uint32 * 6)()
assert libc.capget(header, sets) == 0
sets[0] &= ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
assert libc.capset(header, sets) == 0
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_disk_that_fills_up(runs, small_disk):
    # What is left of the disk goes just before a checkpoint is written.
    fill = """
        with open("ballast", "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)): pass
            except OSError: file.truncate(file.tell() - 8192)  # room for the line that says so"""
    line = runs.line(
        runs.arguments("pruning"), small_disk, AT_CHECKPOINT.format(count=3, action=fill.strip())
    )
    assert "No space left on device" in line
    assert line.endswith(GO_ON)
    assert (small_disk / "ballast").stat().st_size > 100_000
    (small_disk / "ballast").unlink()
    runs.finish("pruning", small_disk)


@pytest.mark.slow
def test_a_file_that_cannot_grow(runs, tmp_path):
    """As the disk that fills up, where none can be mounted."""
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))"
    quiet = ["--trainer.enable_progress_bar", "false"]  # what it prints goes to a file too
    before = AT_CHECKPOINT.format(count=6, action=limit)
    line = runs.line([*runs.arguments("fit"), *quiet], tmp_path, before)
    assert "last.ckpt not written: File too large" in line
    assert line.endswith(GO_ON)
    runs.finish("fit", tmp_path)


@pytest.mark.slow
def test_a_folder_that_can_no_longer_be_written(runs, tmp_path):
    lock = "Path(path).parent.chmod(0o555)"
    before = AS_OTHER_USERS if os.geteuid() == 0 else ""
    before += AT_CHECKPOINT.format(count=6, action=lock)
    line = runs.line(runs.arguments("fit"), tmp_path, before)
    assert "last.ckpt not written: Permission denied" in line
    assert line.endswith(GO_ON)
    (folder,) = tmp_path.glob("runs/*/*/checkpoints")
    folder.chmod(0o755)
    runs.finish("fit", tmp_path)


def test_a_log_folder_that_cannot_be_written(runs, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs").chmod(0o555)
    line = runs.line(runs.arguments("fit"), tmp_path, AS_OTHER_USERS if os.geteuid() == 0 else "")
    assert "Permission denied: " in line
    assert "runs/" in line
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.slow
def test_killed_amid_a_checkpoint(runs, tmp_path):
    """In the second epoch, with half of its `last` written."""
    half = """
        def kill(file):
            os.ftruncate(file, os.fstat(file).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        os.fsync = kill"""
    before = AT_CHECKPOINT.format(count=4, action=half.strip())
    assert runs.run(runs.arguments("fit"), tmp_path, before) == -9
    (partial,) = tmp_path.rglob(".*.partial")
    assert partial.name.startswith(".last")
    runs.finish("fit", tmp_path)
