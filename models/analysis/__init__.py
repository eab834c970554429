"""Statistics, tables and figures that callbacks log."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.analysis.runs import Runs, read_runs

__all__ = ["Runs", "read_runs"]


def __getattr__(name: str) -> Any:
    # Reading event files imports a fifth of a second of TensorBoard, which no run needs.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from models.analysis import runs

    return getattr(runs, name)
