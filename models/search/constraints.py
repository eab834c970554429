"""Constraints: which architectures of a space may be scored at all."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from models.indicators.base import Indicator
from models.search.budget import Budget
from models.spaces import SearchSpace
from models.spaces.sizes import check_sizes


class Constraint(ABC):
    """A rule that an architecture meets or not, whatever others score.

    Attributes:
        builds_network: whether judging an architecture builds its network; searches ask those that
            do not first.
    """

    builds_network: ClassVar[bool] = False

    @abstractmethod
    def bind(
        self, space: SearchSpace, in_shape: Sequence[int], num_classes: int
    ) -> Callable[[Any], bool]:
        """Return the rule over the architectures of a space, on such images.

        Args:
            space: whose architectures.
            in_shape: (channels, height, width) of an image.
            num_classes: of the data.

        Raises:
            ValueError: the space does not have what the rule looks at.
        """


class Limit(Constraint):
    """Keep the architectures whose score by an indicator is within bounds.

    The indicator scores the network that would be trained, at initialisation, on two images of
    noise: counts such as `Parameters` and `Flops` depend on nothing else. An architecture that the
    indicator cannot score is refused.

    Args:
        indicator: such as `models.indicators.Parameters`.
        at_most: greatest score that is kept; unbounded by default.
        at_least: least score that is kept; unbounded by default.
        sizes: of the network, as `space.network` takes them; the space's own by default.

    Raises:
        ValueError: no bound, or an empty range.
    """

    builds_network = True

    def __init__(
        self,
        indicator: Indicator,
        at_most: float | None = None,
        at_least: float | None = None,
        sizes: dict[str, Any] | None = None,
    ) -> None:
        if at_most is None and at_least is None:
            raise ValueError("at_most: expected a bound, or one in at_least, got none")
        if at_most is not None and at_least is not None and not at_least <= at_most:
            raise ValueError(f"at_most: expected at least at_least={at_least}, got {at_most}")
        self.indicator = indicator
        self.at_most = at_most
        self.at_least = at_least
        self.sizes = sizes

    def bind(
        self, space: SearchSpace, in_shape: Sequence[int], num_classes: int
    ) -> Callable[[Any], bool]:
        """Return the rule over a space. Raises ValueError for sizes that its networks lack."""
        sizes = self.sizes or {}
        check_sizes(space.network, sizes, f"{space.name} networks")
        least = -float("inf") if self.at_least is None else self.at_least
        greatest = float("inf") if self.at_most is None else self.at_most

        def keeps(architecture: Any) -> bool:
            with torch.random.fork_rng([]):
                torch.default_generator.manual_seed(0)
                network = space.network(architecture, num_classes, in_shape[0], **sizes)
                images, labels = noise(2, in_shape, num_classes)
                try:
                    score = self.indicator.score(network.train(), images, labels)
                except (ValueError, ArithmeticError):
                    return False
            return least <= score <= greatest

        return keeps


def noise(count: int, in_shape: Sequence[int], num_classes: int) -> tuple[Tensor, Tensor]:
    """Return `count` images of N(0, 1), always the same, and labels of all classes in turn."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, *in_shape, generator=generator), torch.arange(count) % num_classes


Filter = Constraint | list[Constraint] | None
"""The type of a search's argument `filter`."""
_EXAMPLES = 1000


class Filtering:
    """Several constraints and a budget as one, the cheap ones first.

    Args:
        constraints: one, several or none.
        space: whose architectures are judged.
        in_shape: (channels, height, width) of an image.
        num_classes: of the data.
        budget: upper bounds on costs; none by default.

    Attributes:
        refused: how many architectures each constraint refused, by its class's name, and each
            bound, as `budget.parameters`.
        examples: the first thousand of them, for pictures.

    Raises:
        ValueError: something else than constraints, or one that the space cannot be held to.
    """

    def __init__(
        self,
        constraints: Filter,
        space: SearchSpace,
        in_shape: Sequence[int],
        num_classes: int,
        budget: Budget | None = None,
    ) -> None:
        given = constraints if isinstance(constraints, list) else [constraints]
        given = [one for one in given if one is not None]
        for one in given:
            if not isinstance(one, Constraint):
                raise ValueError(
                    f"filter: expected models.search.Constraint, got {type(one).__name__}"
                )
        # Shapes cost more than a graph and less than weights; nothing costs more than measuring.
        ordered = [
            (
                2 if one.builds_network else 0,
                type(one).__name__,
                one.bind(space, in_shape, num_classes),
            )
            for one in given
        ]
        if budget is not None:
            ordered += [
                (3 if name == "budget.latency_ms" else 1, name, keeps)
                for name, keeps in budget.rules().items()
            ]
        ordered.sort(key=lambda one: one[0])
        self._rules = [(name, keeps) for _, name, keeps in ordered]
        self.names = [name for name, _ in self._rules]
        """Of the constraints and bounds, in the order in which they are asked."""
        self.refused: Counter[str] = Counter()
        self.examples: list[Any] = []

    def clear(self) -> None:
        """Forget what was refused."""
        self.refused.clear()
        self.examples.clear()

    def keeps(self, architecture: Any) -> bool:
        """Whether every constraint keeps an architecture; the first that does not is counted."""
        for name, rule in self._rules:
            if not rule(architecture):
                self.refused[name] += 1
                if len(self.examples) < _EXAMPLES:
                    self.examples.append(architecture)
                return False
        return True
