"""Imports run one way: application, callbacks and data above models, and layers inside models."""

import ast
from pathlib import Path

import callbacks
import datamodules
import lightning_app
import models

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("lightning_app", "callbacks", "datamodules", "models")
# Layer: the layers that it may import, besides itself.
ALLOWED = {
    "lightning_app": {
        "callbacks",
        "datamodules",
        "models",
        "models.classifiers",
        "models.indicators",
        "models.search",
    },
    "callbacks": {"models.analysis", "models.benchmarks", "models.indicators", "models.topology"},
    "datamodules": set(),
    "models.seeding": set(),
    "models.schedulers": set(),
    "models.topology": set(),
    "models.networks": {"models.topology"},
    "models.spaces": {"models.networks", "models.topology"},
    "models.indicators": {"models.networks", "models.topology"},  # of networks, their cost
    "models.benchmarks": {"models.spaces", "models.topology"},
    "models.analysis": {
        "models.benchmarks",
        "models.indicators",
        "models.spaces",
        "models.topology",
    },
    "models.search": {
        "models.analysis",
        "models.benchmarks",
        "models.indicators",
        "models.networks",
        "models.seeding",
        "models.spaces",
        "models.topology",
    },
    "models.classifiers": {
        "models.analysis",
        "models.benchmarks",
        "models.indicators",
        "models.networks",
        "models.schedulers",
        "models.seeding",
        "models.spaces",
        "models.topology",
    },
    "models.testing": {
        "models.indicators",
        "models.search",
        "models.seeding",
        "models.spaces",
        "models.topology",
    },
    "models": {"models.classifiers", "models.search"},
}


def layer(module: str) -> str:
    """The layer of a dotted module: `models.<sub-package>`, or its package."""
    parts = module.split(".")
    inner = ".".join(parts[:2])
    return inner if inner in ALLOWED else parts[0]


def imports(path: Path, packages: tuple[str, ...] = PACKAGES) -> set[str]:
    """Modules of some packages, by default ours, that a file imports, at its top or elsewhere."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in packages}


def test_imports_run_one_way() -> None:
    wrong = {}
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        name = path.relative_to(ROOT).with_suffix("")
        own = layer(".".join(name.parts))
        if not_allowed := {layer(used) for used in imports(path)} - {own} - ALLOWED[own]:
            wrong[str(name)] = not_allowed
    assert wrong == {}


def test_graphs_know_nothing_of_torch() -> None:
    """But for `trace`, which makes a graph of a module."""
    files = [p for p in (ROOT / "models" / "topology").glob("*.py") if p.stem != "trace"]
    foreign = ("torch", "torchvision", "pytorch_lightning")
    assert [path.name for path in files if imports(path, foreign)] == []


def test_packages_are_those_of_this_checkout() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))  # which would shadow ours
    for package in (models, callbacks, datamodules, lightning_app):
        assert Path(str(package.__file__)).is_relative_to(ROOT)
