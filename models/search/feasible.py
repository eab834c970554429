"""Draw architectures until enough of them keep to a budget."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from models.search.budget import Budget
from models.search.constraints import Filtering
from models.search.costs import shown
from models.seeding import generator
from models.spaces import SearchSpace

PATIENCE = 1000
"""Refused architectures in a row after which drawing gives up."""
_DOUBTFUL = 100  # refused in a row, after which those drawn are led; at first: does anything fit?
_STEPS = 50  # mutations without one that is cheaper, after which the cheapest is found


class Drawn(NamedTuple):
    """Outcome of drawing."""

    kept: list[Any]
    """Different architectures that every constraint keeps, in the order in which they came."""
    tried: int
    """Different architectures that were drawn."""


def draw_feasible(
    space: SearchSpace, samples: int, filtering: Filtering, budget: Budget, seed: int
) -> Drawn:
    """Draw different architectures until `samples` of them are kept.

    Once a hundred in a row were refused, those drawn later are led into the budget by mutation: a
    mutant that exceeds it by less takes its parent's place. Gives up with fewer when the space is
    exhausted, or after `PATIENCE` refusals in a row.

    Raises:
        ValueError: none is kept; names the bound that refused most, and what the cheapest
            architecture found costs.
    """
    if not 1 <= samples <= space.count:
        raise ValueError(f"samples: expected 1 to {space.count} for {space.name}, got {samples}")
    draw = generator(seed, "sample")
    tried: dict[Any, None] = {}
    kept: list[Any] = []
    in_a_row = 0
    lead = False
    while len(kept) < samples and len(tried) < space.count and in_a_row < PATIENCE:
        architecture = space.random_architecture(draw)
        if lead:
            architecture = _led(space, architecture, budget, draw)
        if architecture in tried:
            in_a_row += lead  # where few fit, they come again and again
            continue
        tried[architecture] = None
        if filtering.keeps(architecture):
            kept.append(architecture)
            in_a_row = 0
            continue
        in_a_row += 1
        if in_a_row == len(tried) == _DOUBTFUL:
            _check_possible(space, list(tried), filtering, budget, seed)
        lead = lead or in_a_row >= _DOUBTFUL
    if not kept:
        _check_possible(space, list(tried), filtering, budget, seed)
        raise ValueError(
            f"budget: none of {len(tried)} architectures drawn from {space.name} is kept; refused "
            f"by {refusals(filtering)}"
        )
    return Drawn(kept, len(tried))


def refusals(filtering: Filtering) -> str:
    """How many architectures each constraint refused, the strictest first."""
    return ", ".join(f"{name} {count}" for name, count in filtering.refused.most_common())


def _check_possible(
    space: SearchSpace, drawn: list[Any], filtering: Filtering, budget: Budget, seed: int
) -> None:
    """Raise ValueError if the bound that refused most is below the cheapest found."""
    bounds = [name for name, _ in filtering.refused.most_common() if name.startswith("budget.")]
    if not bounds:
        return
    name = bounds[0].removeprefix("budget.")
    least, architecture = cheapest(space, drawn, budget, name, generator(seed, "sample", 1))
    if least > budget.bounds[name]:
        raise ValueError(
            f"budget.{name}: nothing found in {space.name} costs at most "
            f"{shown(budget.bounds[name])}: {len(drawn)} architectures were drawn, and the "
            f"cheapest from there costs {shown(least)}, "
            f"{space.format(architecture)}"
        )


def _led(space: SearchSpace, architecture: Any, budget: Budget, draw: torch.Generator) -> Any:
    """Mutate until the counted bounds are kept; or return what came nearest."""
    bounds = {name: bound for name, bound in budget.bounds.items() if name != "latency_ms"}

    def excess(one: Any) -> float:
        costs = budget.costs.of(one, bounds)
        return sum(max(0.0, costs[name] / bound - 1) for name, bound in bounds.items())

    return _descend(space, architecture, excess, draw)[1]


def _descend(
    space: SearchSpace, architecture: Any, value_of: Callable[[Any], float], draw: torch.Generator
) -> tuple[float, Any]:
    """Mutate towards less of a value, until it is 0 or nothing near has less."""
    least, failed = value_of(architecture), 0
    while least > 0 and failed < _STEPS:
        try:
            neighbour = space.mutate(architecture, draw)
        except ValueError:  # a space without neighbours
            break
        own = value_of(neighbour)
        failed = 0 if own < least else failed + 1
        if own < least:
            least, architecture = own, neighbour
    return least, architecture


def cheapest(
    space: SearchSpace, drawn: list[Any], budget: Budget, name: str, draw: torch.Generator
) -> tuple[float, Any]:
    """Return the least cost found and its architecture: of those drawn, and then by mutation.

    Networks that compute nothing do not count.
    """

    def cost_of(architecture: Any) -> float:
        value = budget.costs.of(architecture, [name])[name]
        return value if value > 0 else float("inf")

    if name == "latency_ms":
        drawn = drawn[:_STEPS]  # of these it may have to be measured
    return _descend(space, min(drawn, key=cost_of), cost_of, draw)
