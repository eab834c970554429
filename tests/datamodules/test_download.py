"""Downloads from mirrors that work and that do not."""

from http.client import IncompleteRead
from pathlib import Path
from urllib.error import URLError

import pytest

from datamodules import download

SUM = "0" * 32


@pytest.mark.parametrize(
    "error",
    [
        URLError("no route"),
        ConnectionResetError("reset"),
        RuntimeError("bad sum"),
        IncompleteRead(b""),
    ],
)
def test_every_mirror_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def download_url(url: str, folder: str, name: str, md5: str) -> None:
        if "bad" in url:
            raise error
        Path(folder, name).write_text(url)

    monkeypatch.setattr(download, "download_url", download_url)
    urls = ["http://bad/a.gz", "http://good/a.gz"]
    assert download.fetch(urls, SUM, tmp_path, tmp_path).read_text() == urls[1]
    message = r"^download: http://bad/a.gz: .+; put the files under r yourself$"
    with pytest.raises(OSError, match=message) as raised:
        download.fetch(urls[:1], SUM, tmp_path, Path("r"))
    assert str(error) in str(raised.value)
