"""What is left of an evolution, as builtins: counts, and the members of its front."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from models.analysis.front import Front
from models.search.budget import Budget
from models.search.describe import describe_costs
from models.spaces import SearchSpace


def counts_of(history: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return how many architectures were drawn, known, refused, evaluated and failed."""
    refused: Counter[str] = Counter()
    for done in history:
        refused.update(done["refused"])
    return {
        **{name: sum(done[name] for done in history) for name in ("drawn", "known")},
        "refused": dict(refused),
        "evaluated": sum(done["evaluated"] for done in history),
        "failed": sum("error" in entry for done in history for entry in done["candidates"]),
    }


def members_of(
    front: Front, space: SearchSpace, budget: Budget, named: Iterable[str]
) -> list[dict[str, Any]]:
    """Return a row per member of a front, with all that is known of what it costs.

    Args:
        front: whose members.
        space: of the architectures.
        budget: with the costs of the networks that will be trained.
        named: costs that are known of all members.
    """
    rows = []
    for row in front.rows():
        architecture = space.parse(row["architecture"])
        known = budget.costs.of(architecture, named)
        rows.append({**row, "costs": describe_costs(budget, architecture)["costs"] | known})
    return rows


def csv_rows(members: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return members as flat rows: objectives, costs, whether chosen, the architecture."""
    last = ("costs", "chosen", "architecture")
    return [
        {name: value for name, value in member.items() if name not in last}
        | member["costs"]
        | {name: member[name] for name in last[1:]}
        for member in members
    ]
