"""Verify files by MD5 once, and write files and folders atomically."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path


def verify(
    folder: str | os.PathLike[str], md5: Mapping[str, str], stamp: Path | None = None
) -> None:
    """Check that a folder's files are the published ones.

    A verified file is recognised by its size and modification time, noted in `stamp`, and not read
    again. Where the note cannot be written, every call reads the files.

    Args:
        folder: folder of the files.
        md5: expected MD5 checksum of each file, in hexadecimal, by name.
        stamp: file that notes the verified files; by default `.verified.json` in the folder.

    Raises:
        FileNotFoundError: the folder or a file is missing.
        ValueError: a file has another md5; the message names both.
    """
    folder = Path(folder)
    stamp = stamp or folder / ".verified.json"
    for name in md5:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"root: no file {folder / name}")
    known = _read_stamp(stamp)
    seen: dict[str, list[str | int]] = {}
    for name, expected in md5.items():
        status = (folder / name).stat()
        entry: list[str | int] = [expected, status.st_size, status.st_mtime_ns]
        if known.get(name) != entry:
            with open(folder / name, "rb") as file:
                found = hashlib.file_digest(file, "md5").hexdigest()
            if found != expected:
                raise ValueError(
                    f"{folder / name}: changed or truncated, md5 {found}, expected {expected}"
                )
        seen[name] = entry
    if any(known.get(name) != entry for name, entry in seen.items()):
        with contextlib.suppress(OSError):
            write_text(stamp, json.dumps(known | seen))


def _read_stamp(path: Path) -> dict[str, list[str | int]]:
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def write_text(path: Path, text: str) -> None:
    """Replace a file's content atomically, even while others write to it."""
    # Not with tempfile, whose mode 0o600 shuts out other users of a shared folder.
    part = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        part.write_text(text)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def staging(
    target: str | os.PathLike[str], is_whole: Callable[[Path], bool] | None = None
) -> Iterator[Path]:
    """Yield a new folder to fill, which becomes `target` when the block ends.

    An interrupted block leaves nothing at `target`. Where `target` exists already,
    its files are replaced one by one and others in it are kept.

    Args:
        target: folder to create.
        is_whole: predicate that says whether an existing `target` is kept, since another process
            has made it meanwhile and may have its files open; by default it never is.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield folder
        if is_whole is not None and is_whole(target):
            return
        folder.chmod(0o755)  # mkdtemp's 0o700 shuts out other users of a shared folder
        try:
            os.replace(folder, target)
        except OSError:
            for file in sorted(folder.iterdir()):
                os.replace(file, target / file.name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
