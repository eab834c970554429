"""Effective depth and width per epoch, and a picture of the wiring."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException

from callbacks.outputs import Shown, show, takes_figures
from models.topology import Topology, draw_topology, effective_depth_width, graph_of


@runtime_checkable
class HasTopology(Protocol):
    """A module that knows how it is wired."""

    def topology(self) -> "Topology | Mapping[str, Topology]":
        """A topology, or several by name (the cells of a DARTS network)."""
        ...


class TopologyMonitor(pl.Callback):
    """Log the effective depth and width of a module's topology at the end of each epoch.

    Logs, at every epoch's end:

    * `effective_depth`: d̄, parameterised operations per input→output path;
    * `effective_width`: m̄, paths with an operation, per unit of depth.

    A module of several named topologies gets `effective_depth/<name>` and `effective_width/<name>`.
    The wiring is drawn in TensorBoard (tag `topology`) before training, and again at the end of an
    epoch that changed it.

    Raises:
        MisconfigurationException: the module has no `topology()`.
    """

    def __init__(self) -> None:
        self._shown = Shown()

    def state_dict(self) -> dict[str, Any]:
        """Return what is drawn, which a resume does not draw again."""
        return self._shown.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the same run."""
        self._shown.load_state_dict(state_dict)

    def tags(self, pl_module: pl.LightningModule) -> list[str]:
        """Scalars that it logs of a module."""
        names = _by_name(pl_module)
        return [f"effective_{what}{name}" for name in names for what in ("depth", "width")]

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Check that the module can say how it is wired."""
        if not isinstance(pl_module, HasTopology):
            raise MisconfigurationException(
                f"TopologyMonitor: {type(pl_module).__name__} has no method topology(); give it "
                "one that returns a models.topology value, a networkx graph or a dict of these"
            )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the wiring."""
        self._shown.open(trainer)
        self._draw(trainer, pl_module, trainer.current_epoch)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log depth and width, and draw the wiring if it changed."""
        for name, topology in _by_name(pl_module).items():
            depth, width = effective_depth_width(topology)
            pl_module.log(f"effective_depth{name}", depth)
            pl_module.log(f"effective_width{name}", width)
        self._draw(trainer, pl_module, trainer.current_epoch + 1)

    def _draw(self, trainer: pl.Trainer, pl_module: pl.LightningModule, epochs: int) -> None:
        if not takes_figures(trainer):
            return
        for name, topology in _by_name(pl_module).items():
            graph = graph_of(topology)
            edges: list[Any] = sorted(graph.edges(data="label"), key=str)
            if self._shown.is_new(name, str(edges)):
                figure = draw_topology(graph, title=name.strip("/"))
                show(trainer, f"topology{name}", figure, epochs)


def _by_name(module: Any) -> dict[str, Topology]:
    """Topologies by the suffix of their tags."""
    topology = module.topology()
    if isinstance(topology, Mapping):
        return {f"/{name}": value for name, value in topology.items()}
    return {"": topology}
