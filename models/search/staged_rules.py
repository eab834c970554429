"""The rules of a search in stages, on plain values: what is scored, how, and what goes on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import networkx as nx
import torch

from models.indicators.az_nas import Progressivity, Trainability
from models.indicators.base import Indicator
from models.indicators.rank_aggregate import RankAggregate, ranks
from models.indicators.size import Layers, Parameters
from models.indicators.synflow import SynFlow
from models.search.scoring import check_indicators
from models.spaces import SearchSpace
from models.spaces.base import ProxySetting
from models.spaces.sizes import check_sizes

Scores = Mapping[str, Sequence[float]] | None
"""By an indicator's name, an architecture's score in each repeat; None where one failed."""


@dataclass(frozen=True)
class Stage:
    """A stage of a search: what ranks its candidates, and how many of them go on.

    Indicators of a stage share the network. Ranks are averaged over repeats, and the logarithms of
    these means are added up over indicators: a mean of logarithms would let one bad draw decide.

    Args:
        indicators: what to rank by.
        keep: how many of the best the next stage ranks; of the last stage, how many the result
            names (by default ten).
        repeats: initialisations and draws of images that ranks are averaged over.
        proxy: the indicator on whose networks and batch (`SearchSpace.proxy`) all are scored; by
            default the only one, or `rank_aggregate` for several.
        network: sizes as `space.network` takes them, instead of the proxy's.
        batch_size: images, instead of the proxy's.
    """

    indicators: list[Indicator]
    keep: int | None = None
    repeats: int = 1
    proxy: str | None = None
    network: dict[str, int] | None = None
    batch_size: int | None = None

    def setting(self, space: SearchSpace) -> ProxySetting:
        """Return the networks and the batch that architectures of a space are scored on."""
        alone = len(self.indicators) == 1
        name = self.proxy or (self.indicators[0].name if alone else RankAggregate.name)
        network, batch_size = space.proxy("small", name)
        return ProxySetting(
            network if self.network is None else self.network,
            batch_size if self.batch_size is None else self.batch_size,
        )


def check_stages(stages: Sequence[Stage], space: SearchSpace) -> None:
    """Refuse stages that cannot be run over a space.

    Raises:
        ValueError: one line that names the stage and its argument.
    """
    if not stages:
        raise ValueError("stages: expected one or more, got none")
    for index, stage in enumerate(stages):
        name = f"stages[{index}]"
        check_indicators(stage.indicators, f"{name}.indicators")
        if stage.keep is None and stage is not stages[-1]:
            raise ValueError(f"{name}.keep: expected how many go on to the next stage, got none")
        network, batch_size = stage.setting(space)
        for argument, value, minimum in (
            ("keep", stage.keep, 1),
            ("repeats", stage.repeats, 1),
            ("batch_size", batch_size, 2),
        ):
            if value is not None and value < minimum:
                raise ValueError(f"{name}.{argument}: expected {minimum} or more, got {value}")
        check_sizes(space.network, network, f"{space.name} networks", f"{name}.network")


def default_stages() -> list[Stage]:
    """Return two stages: size and SynFlow for all, then how the best 50 would train.

    What is large is likely to be good, but among the largest size says little more: the second
    stage leaves it out. There the draw of weights decides more than who is let in, hence ten
    repeats (docs/search.md).
    """
    return [
        Stage([Parameters(), Layers(), SynFlow()], keep=50, proxy=SynFlow.name),
        Stage([SynFlow(), Trainability(), Progressivity()], repeats=10),
    ]


class Pool(NamedTuple):
    """The architectures that a search begins with, and how many were left out."""

    architectures: list[Any]
    isomorphic: int
    """To one before them."""
    disconnected: int
    """Without a path from input to output in some cell."""


def pool_of(space: SearchSpace, architectures: Iterable[Any]) -> Pool:
    """Keep one representative of each isomorphism class, in the order of their first members.

    Args:
        space: whose `canonical` names the representative, and whose graphs, where it has any, tell
            what is connected.
        architectures: the ones to choose from.
    """
    number = 0
    representatives: dict[Any, None] = {}
    for number, architecture in enumerate(architectures, start=1):  # noqa: B007 -- counts
        representatives[space.canonical(architecture)] = None
    kept = [one for one in representatives if _is_connected(space, one)]
    return Pool(kept, number - len(representatives), len(representatives) - len(kept))


def _is_connected(space: SearchSpace, architecture: Any) -> bool:
    return all(
        any(nx.has_path(graph, source, graph.graph["output"]) for source in graph.graph["inputs"])
        for graph in space.topologies(architecture).values()
    )


def ranking(stage: Stage, scores: Sequence[Scores]) -> list[int]:
    """Indices of the candidates that have scores, the best first; on a tie the earlier first.

    Args:
        stage: whose indicators and repeats.
        scores: of each candidate.
    """
    valid = [(i, own) for i, own in enumerate(scores) if own is not None]
    if not valid:
        return []
    total = torch.zeros(len(valid), dtype=torch.float64)
    for one in stage.indicators:
        sign = 1 if one.higher_is_better else -1
        columns = torch.tensor([own[one.name] for _, own in valid], dtype=torch.float64)
        places = [ranks(sign * column) for column in columns[:, : stage.repeats].T]
        total += torch.stack(places).mean(0).log()
    order = sorted(zip((-total).tolist(), (i for i, _ in valid), strict=True))
    return [i for _, i in order]
