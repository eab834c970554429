"""A budget: upper bounds on what the network that will be trained costs."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from models.benchmarks import HardwareTable
from models.search.costs import COSTS, Costs, shown
from models.search.images import ImageSource
from models.spaces import SearchSpace


class Budget:
    """Upper bounds on costs; architectures above one of them are refused unscored.

    Args:
        bounds: cost to its upper bound, itself included; none by default.
        costs: of the networks that will be trained.

    Attributes:
        bounds: cost to bound, the cost that is cheapest to find out first.

    Raises:
        ValueError: an unknown cost, or a bound that is no finite number above 0.
    """

    def __init__(self, bounds: Mapping[str, float] | None, costs: Costs) -> None:
        checked = {} if bounds is None else check_bounds(bounds)
        self.bounds = {name: checked[name] for name in COSTS if name in checked}
        self.costs = costs

    @classmethod
    def of(
        cls,
        bounds: Mapping[str, float] | None,
        space: SearchSpace,
        images: ImageSource,
        sizes: Mapping[str, Any] | None,
        hardware: HardwareTable | None,
    ) -> "Budget":
        """Return a budget of the networks that would be trained on some images.

        Args:
            bounds: cost to its upper bound; none by default.
            space: whose architectures.
            images: whose shape and classes.
            sizes: of the networks, as `space.network` takes them; its own by default.
            hardware: a table of latencies, instead of measuring them.

        Raises:
            ValueError: bounds, sizes or a table that cannot be asked of the space.
        """
        latency = None if hardware is None else hardware.bind(space)
        return cls(bounds, Costs(space, images.in_shape, images.num_classes, sizes, latency))

    @property
    def measures(self) -> bool:
        """Whether a decision needs a measured latency, and so the processes of a running fit."""
        return "latency_ms" in self.bounds and self.costs.measures

    def rules(self) -> dict[str, Callable[[Any], bool]]:
        """Return whether an architecture keeps each bound, by `budget.<cost>`, cheapest first."""
        return {f"budget.{name}": self._rule(name, bound) for name, bound in self.bounds.items()}

    def _rule(self, name: str, bound: float) -> Callable[[Any], bool]:
        # A network of which nothing is live costs nothing and computes nothing.
        least = 0.0 if name == "latency_ms" else 1.0
        return lambda architecture: least <= self.costs.of(architecture, [name])[name] <= bound

    def refuses(self, architecture: Any) -> str | None:
        """Return the bound that refuses an architecture, such as `budget.parameters`, or None.

        An architecture whose network computes nothing, without a path from input to output, is
        refused by a bound on parameters or multiply–adds.
        """
        rules = self.rules().items()
        return next((name for name, keeps in rules if not keeps(architecture)), None)

    def doubt(self, architecture: Any) -> str | None:
        """Return a remark where a latency's spread is larger than its distance to the bound."""
        bound = self.bounds.get("latency_ms")
        if bound is None:
            return None
        median, spread = self.costs.latency(architecture)
        if spread <= abs(bound - median):
            return None
        return (
            f"latency_ms {shown(median)} is nearer to its bound {shown(bound)} than its "
            f"interquartile range {shown(spread)}"
        )


def check_bounds(bounds: Mapping[str, float]) -> dict[str, float]:
    """Return bounds as floats.

    Raises:
        ValueError: one line that names the bound and what is allowed.
    """
    if not isinstance(bounds, Mapping) or not bounds:
        raise ValueError(
            f"budget: expected bounds on {', '.join(COSTS)}, or null for none, got {bounds!r:.80}"
        )
    for name, bound in bounds.items():
        if name not in COSTS:
            raise ValueError(f"budget.{name}: no such cost; allowed: {', '.join(COSTS)}")
        number = isinstance(bound, int | float) and not isinstance(bound, bool)
        if not number or not 0 < bound < math.inf:
            raise ValueError(f"budget.{name}: expected a finite number above 0, got {bound!r:.80}")
    return {name: float(bound) for name, bound in bounds.items()}
