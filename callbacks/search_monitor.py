"""Pictures of a search while it goes on."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException

from callbacks.outputs import Shown, show, takes_figures
from models.analysis.pruning_figures import pruning_figure
from models.analysis.search_figures import Places, scores_by_text, scores_figure
from models.topology import draw_topology


@runtime_checkable
class ScoresArchitectures(Protocol):
    """A search that records its candidates."""

    space: Any
    finished: bool
    history: Sequence[Any]
    """Rounds; the candidates of each have a text and scores, an error or a refusal."""


class SearchMonitor(pl.Callback):
    """Show what a search has scored, and the architecture that is ahead.

    In TensorBoard, and wherever a logger takes figures, after a round that at least doubles the
    evaluations and at the end:

    * `search/scores/<indicator>`: scores over effective depth and width, their distribution, the
      best so far, the architecture that is ahead, and where those lie that were filtered;
    * `search/best/<cell>`: the graphs of that architecture, when it is another one;
    * `search/pruned`, of a search by pruning, at the end: when each operation was pruned.

    Raises:
        MisconfigurationException: the module is no search.
    """

    def __init__(self) -> None:
        self._shown = Shown()
        self._count = 0

    def state_dict(self) -> dict[str, Any]:
        """Return what is drawn, which a resume does not draw again."""
        return {"shown": self._shown.state_dict(), "count": self._count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the same run."""
        self._count = state_dict["count"]
        self._shown.load_state_dict(state_dict["shown"])

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Check that the module is a search."""
        if not isinstance(pl_module, ScoresArchitectures):
            raise MisconfigurationException(
                f"SearchMonitor: {type(pl_module).__name__} is no search; it needs space, "
                "finished and history"
            )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look where the search writes."""
        self._shown.open(trainer)
        assert isinstance(pl_module, ScoresArchitectures)
        self._places = Places(pl_module.space)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw where enough is new."""
        assert isinstance(pl_module, ScoresArchitectures)
        if not takes_figures(trainer):
            return
        count = sum(len(done["candidates"]) for done in pl_module.history)
        if count < 2 * self._count and not pl_module.finished:
            return
        self._count = count
        if any("pruned" in done for done in pl_module.history):
            if pl_module.finished:
                figure = pruning_figure(pl_module.history, _kept(pl_module))
                show(trainer, "search/pruned", figure, trainer.current_epoch)
            return
        self._draw(trainer, pl_module)

    def _draw(self, trainer: pl.Trainer, search: Any) -> None:
        space, step = search.space, trainer.current_epoch
        try:
            architecture = getattr(search, "architecture", None)
        except ValueError:  # nothing has a score yet
            return
        if architecture is None:  # a search of one's own need not say what is ahead
            return
        graphs, text = space.topologies(architecture), space.format(architecture)
        if not graphs:
            return
        scores, refused = scores_by_text(search.history), _refused(search)
        for name in dict.fromkeys(name for own in scores.values() for name in own):
            if self._shown.is_new(name, f"{len(scores)} {text}"):
                figure = scores_figure(
                    self._places, scores, name, text,
                    refused=refused, higher_is_better=_higher_is_better(search, name),
                )  # fmt: skip
                show(trainer, f"search/scores/{name}", figure, step)
        if self._shown.is_new("best", text):
            for name, graph in graphs.items():
                show(trainer, f"search/best/{name}", draw_topology(graph, title=name), step)


def _refused(search: Any) -> list[str]:
    """Texts of architectures that were not scored, where a search knows any."""
    entries = (entry for done in search.history for entry in done["candidates"])
    named = [entry["candidate"] for entry in entries if "refused" in entry]
    filtering = getattr(search, "filtering", None)
    return named + [search.space.format(one) for one in getattr(filtering, "examples", ())]


def _higher_is_better(search: Any, name: str) -> bool:
    """Return an indicator's direction, as the search has it; a stranger's score is a score."""
    lower = [one.name for one in getattr(search, "indicators", ()) if not one.higher_is_better]
    return name not in lower


def _kept(search: Any) -> list[str]:
    """Labels of what a finished pruning search has left."""
    edges = search.space.edges
    return [
        f"{cell} {edges[edge][0]}→{edges[edge][1]} {search.space.operations[operation]}"
        for cell, rows in zip(search.space.cells, search.mask.tolist(), strict=True)
        for edge, row in enumerate(rows)
        for operation, keep in enumerate(row)
        if keep
    ]
