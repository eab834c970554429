"""What the README shows can be run."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.usefixtures("command_line")
def test_python_runs() -> None:
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(code, names)
    accuracy = (
        names["pl"]
        .Trainer(accelerator="cpu", logger=False)
        .test(names["model"], names["data"], verbose=False)[0]["test/accuracy"]
    )
    assert accuracy > 0.9


@pytest.mark.parametrize("path", re.findall(r"configs/[\w/]+\.yaml|docs/[\w/]+\.md", README))
def test_files_exist(path: str) -> None:
    assert (ROOT / path).is_file()
