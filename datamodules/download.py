"""Download files from the first mirror that has them."""

from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path

from torchvision.datasets.utils import download_url


def fetch(urls: Sequence[str], md5: str, folder: Path, root: Path) -> Path:
    """Download one file, named by the last part of its URL.

    Args:
        urls: URLs of the same file, tried in turn.
        md5: MD5 checksum of the file, in hexadecimal.
        folder: folder to write to.
        root: folder where users can place the file by hand; named when every URL fails.

    Returns:
        Path of the file.

    Raises:
        OSError: no URL gives the file; the message names each with the reason.
    """
    failures = []
    for url in urls:
        name = url.rpartition("/")[2]
        try:
            download_url(url, str(folder), name, md5)
        except (OSError, RuntimeError, HTTPException) as error:
            failures.append(f"{url}: {str(error) or type(error).__name__}")
        else:
            return folder / name
    raise OSError(f"download: {'; '.join(failures)}; put the files under {root} yourself")
