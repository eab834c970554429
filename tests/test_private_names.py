"""Private names of Lightning, jsonargparse and torch that the source uses: listed, and there."""

import ast
import re
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
import torch
from pytorch_lightning import LightningModule

ROOT = Path(__file__).parents[1]
PACKAGES = ("lightning_app", "callbacks", "datamodules", "models")
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
NAMES = re.findall(r"^\| `([\w.]+)`", PAGE.partition("## Private names")[2], re.MULTILINE)
# Attributes that objects have and their classes have not.
OBJECTS = {
    "torch.nn.Module": torch.nn.Module,
    "torch.nn.Conv2d": lambda: torch.nn.Conv2d(1, 1, 1),
    "torch._ops.OpOverload": lambda: torch.ops.aten.relu.default,
    "pytorch_lightning.LightningModule": LightningModule,
}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_still_there(name: str) -> None:
    owner, _, attribute = name.rpartition(".")
    made: Any = OBJECTS[owner]() if owner in OBJECTS else resolve_name(owner)
    assert hasattr(made, attribute)


def test_every_one_is_listed() -> None:
    trees = {
        path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8"))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    }
    nodes = [(path, node) for path, tree in trees.items() for node in ast.walk(tree)]
    ours = {"_exit", "_asdict"}  # and two that are documented
    for _, node in nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            ours.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            ours.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            ours.add(node.attr)
    used = [(path, node.attr) for path, node in nodes if isinstance(node, ast.Attribute)]
    for path, node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "torch":
            parts = [
                part for alias in node.names for part in f"{node.module}.{alias.name}".split(".")
            ]
            used += [(path, part) for part in parts]
    known = ours | {part for name in NAMES for part in name.split(".")}
    private = re.compile(r"_[a-zA-Z]\w*$")
    assert [(str(path), n) for path, n in used if private.match(n) and n not in known] == []
