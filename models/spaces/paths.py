"""Paths through a supernet: one architecture of its space at a time."""

import torch
from torch import Tensor

from models.networks.masks import check_fed
from models.spaces.base import SupernetSpace

_TRIES = 1000


def random_path(space: SupernetSpace, generator: torch.Generator) -> Tensor:
    """The mask of an architecture: uniform over those that leave no node without input.

    A supernet does not run the others, in which a node would be empty (3,721 of the 15,625 cells of
    NAS-Bench-201, none of DARTS): such a draw is drawn again, so that what is left stays equally
    likely. A node that has input is connected, so the output always is.

    Args:
        space: whose architectures.
        generator: the only source of randomness; it advances.

    Returns:
        Boolean, (cells, edges, operations), one operation on each edge of the architecture.

    Raises:
        ValueError: a space where a thousand draws give none.
    """
    for _ in range(_TRIES):
        mask = space.mask_of(space.random_architecture(generator))
        try:
            check_fed(mask, space.cells, space.edges)
        except ValueError:
            continue
        return mask
    raise ValueError(
        f"space: {_TRIES} architectures of {space.name} all leave a node without input"
    )
