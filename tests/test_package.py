"""The wheel holds everything, and what it installs works outside the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("lightning_app", "callbacks", "datamodules", "models")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left in the checkout."""
    copy = tmp_path_factory.mktemp("copy")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    pip("wheel", "--no-deps", "--wheel-dir", "dist", ".", cwd=copy)
    (path,) = (copy / "dist").iterdir()
    return path


def pip(*args: str, cwd: Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *args]
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)


def test_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        metadata = "".join(
            archive.read(n).decode() for n in archive.namelist() if n.endswith("/entry_points.txt")
        )
    expected = {
        str(path.relative_to(ROOT))
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    assert held == expected
    entries = ConfigParser()
    entries.read_string(metadata)
    assert dict(entries["console_scripts"]) == {"lightning": "lightning_app.__main__:main"}


def test_runs_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip("install", "--no-deps", "--target", str(site), str(wheel), cwd=tmp_path)
    code = f"""
import sys
from lightning_app.__main__ import main
main()
print(*(sys.modules[name].__file__ for name in {PACKAGES}))
"""
    arguments = (
        "fit --trainer.fast_dev_run true --trainer.accelerator cpu --data DigitsDataModule "
        "--model DagMLPClassifier --model.dag 2_21_112 --model.width 8"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments.split()],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(site)},
        check=True,
        capture_output=True,
        text=True,
    )
    files = done.stdout.splitlines()[-1].split()
    assert [Path(file).parent for file in files] == [site / name for name in PACKAGES]
