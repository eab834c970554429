"""Keep architectures of moderate depth and width (arXiv 2205.05662, §4.2)."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import torch

from models.search.constraints import Constraint
from models.spaces import SearchSpace
from models.topology import effective_depth_width

Range = tuple[float, float]


class DepthWidthFilter(Constraint):
    """Keeps architectures whose depth and width are moderate, every cell of them.

    The paper's rule: |d̄ − d*| ≤ ρ·r_d and |m̄ − m*| ≤ ρ·r_m, with centres (d*, m*) and radii half
    way between the extremes of the space. For NAS-Bench-201 the extremes are computed: centre
    1.625 and 13/6. For DARTS they are the paper's: centre 1.5 and 10.5, at ρ = ½ depth 0.8 to 2.2
    and width 5.7 to 15.3. Ranges of your own take the rule's place, such as those of the released
    code for NAS-Bench-201: depth 0.99 to 2.51, width 0.99 to 3.01.

    Args:
        radius: ρ.
        depth: (least, greatest) d̄, ends included, instead of the rule.
        width: the same of m̄.

    Raises:
        ValueError: a radius of 0 or less, or an empty range.
    """

    def __init__(
        self, radius: float = 0.5, depth: Range | None = None, width: Range | None = None
    ) -> None:
        if not radius > 0:
            raise ValueError(f"radius: expected above 0, got {radius}")
        for name, given in (("depth", depth), ("width", width)):
            if given is not None and not given[0] <= given[1]:
                raise ValueError(f"{name}: expected (least, greatest), got {tuple(given)}")
        self.radius = radius
        self.depth = depth
        self.width = width
        self._of_space: tuple[SearchSpace, tuple[Range, Range]] | None = None

    def ranges(self, space: SearchSpace) -> tuple[Range, Range]:
        """Return what it keeps of a space: ranges of depth and of width, ends included."""
        if self._of_space is None or self._of_space[0] is not space:
            depth, width = self.depth, self.width
            if depth is None or width is None:
                extremes = space.extremes()
                if extremes is None:
                    raise ValueError(
                        f"filter: the extremes of {space.name} are not known; give depth and width"
                    )
                depth = depth or self._around(extremes.depth)
                width = width or self._around(extremes.width)
            self._of_space = space, (depth, width)
        return self._of_space[1]

    def _around(self, extremes: tuple[Fraction, Fraction]) -> Range:
        """Exact until the end, as many cells lie on the boundary."""
        low, high = extremes
        centre, reach = (low + high) / 2, Fraction(self.radius) * (high - low) / 2
        return float(centre - reach), float(centre + reach)

    def bind(
        self, space: SearchSpace, in_shape: Sequence[int], num_classes: int
    ) -> Callable[[Any], bool]:
        """Return the rule over a space.

        Raises:
            ValueError: the space has no topologies, or no extremes where the rule needs them.
        """
        if not space.topologies(space.random_architecture(torch.Generator())):
            raise ValueError(
                f"filter: {space.name} has no topologies(), so no depth and width; expected null"
            )
        self.ranges(space)
        return partial(self.keeps, space)

    def keeps(self, space: SearchSpace, architecture: Any) -> bool:
        """Whether every cell of an architecture lies within the ranges."""
        (least_d, greatest_d), (least_m, greatest_m) = self.ranges(space)
        return all(
            least_d <= depth <= greatest_d and least_m <= width <= greatest_m
            for depth, width in map(effective_depth_width, space.topologies(architecture).values())
        )
