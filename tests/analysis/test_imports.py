"""What few commands need is loaded by these alone: it takes half a second each."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def loaded_at_once(path: Path) -> set[str]:
    """Modules, and names from them, that importing a file imports."""
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    return found


@pytest.mark.parametrize(
    "names",
    [("pymoo",), ("models.analysis.runs", "models.analysis.read_runs"), ("tensorboard.backend",)],
)
def test_libraries_are_loaded_by_who_needs_them(names: tuple[str, ...]) -> None:
    paths = [path for part in ("models", "callbacks") for path in (ROOT / part).rglob("*.py")]
    early = {path for path in paths if any(one.startswith(names) for one in loaded_at_once(path))}
    assert early <= {ROOT / "models" / "analysis" / "runs.py"}
