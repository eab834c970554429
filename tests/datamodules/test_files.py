"""Verified files and folders that appear whole."""

import hashlib
import os
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from datamodules.files import staging, verify, write_text


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a").write_bytes(b"alpha")
    (tmp_path / "b").write_bytes(b"beta")
    return tmp_path


SUMS = {"a": md5(b"alpha"), "b": md5(b"beta")}


def test_files_are_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verify(folder, SUMS)
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("read again"))
    verify(folder, SUMS)


def test_changed_file_is_named_with_both_sums(folder: Path) -> None:
    verify(folder, SUMS)
    (folder / "b").write_bytes(b"BETA")
    found = md5(b"BETA")
    message = rf"b: changed or truncated, md5 {found}, expected {SUMS['b']}"
    for _ in range(2):
        with pytest.raises(ValueError, match=message):
            verify(folder, SUMS)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read, as they are."""
    names: list[str] = []
    digest = hashlib.file_digest

    def noting(file: BinaryIO, kind: str) -> Any:
        names.append(Path(file.name).name)
        return digest(file, kind)

    monkeypatch.setattr(hashlib, "file_digest", noting)
    return names


def test_touched_file_is_verified_again(folder: Path, reads: list[str]) -> None:
    verify(folder, SUMS)
    os.utime(folder / "b", (1, 1))
    verify(folder, SUMS)
    assert reads == ["a", "b", "b"]


def test_missing_file_is_named(folder: Path) -> None:
    (folder / "b").unlink()
    with pytest.raises(FileNotFoundError, match=r"root: no file .*b"):
        verify(folder, SUMS)


def test_note_that_cannot_be_written_is_done_without(folder: Path) -> None:
    verify(folder, SUMS, stamp=folder / "no" / "such" / "folder")
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]


def test_damaged_note_is_ignored_and_replaced(folder: Path, reads: list[str]) -> None:
    (folder / ".verified.json").write_text('{"a": [')
    verify(folder, SUMS)
    verify(folder, SUMS)
    assert reads == ["a", "b"]


def test_note_has_the_mode_of_other_files(folder: Path) -> None:
    verify(folder, SUMS)
    assert (folder / ".verified.json").stat().st_mode == (folder / "a").stat().st_mode


def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path / "target", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_staging_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"

    def interrupted() -> None:
        with staging(target) as made:
            (made / "part").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list((tmp_path / "deep").iterdir()) == []
    with staging(target) as made:
        (made / "part").write_text("whole")
        assert not target.exists()
    assert (target / "part").read_text() == "whole"
    assert list((tmp_path / "deep").iterdir()) == [target]


def test_staging_keeps_what_else_is_there(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "other").write_text("kept")
    (target / "part").write_text("old")
    with staging(target) as made:
        (made / "part").write_text("new")
    assert (target / "other").read_text() == "kept"
    assert (target / "part").read_text() == "new"
