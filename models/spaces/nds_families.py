"""What the five cell spaces of the NDS family hold (Radosavovic et al., arXiv 1905.13214)."""

from fractions import Fraction
from typing import Literal, NamedTuple

from models.spaces.extremes import Extremes

_POOLS = ("avg_pool_3x3", "max_pool_3x3")
_SEPARABLE = ("sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7")

Name = Literal["darts", "nasnet", "amoeba", "pnas", "enas"]


_OF_LOOSE_ENDS = Extremes((Fraction(1, 25), Fraction(5)), (Fraction(30, 19), Fraction(32)))
_OF_ALL_NODES = Extremes((Fraction(1, 47), Fraction(129, 31)), (Fraction(75, 11), Fraction(62)))
_OF_DARTS = Extremes((Fraction(1, 23), Fraction(49, 15)), (Fraction(1), Fraction(30)))


class Family(NamedTuple):
    """The cells of a space."""

    operations: tuple[str, ...]
    nodes: int
    loose_ends: bool
    """The output concatenates the nodes that no node takes, or all."""
    extremes: Extremes
    """Over all cells, counted one by one in the tests of this file."""


FAMILIES: dict[Name, Family] = {
    "darts": Family(
        ("none", "skip_connect", *_POOLS, *_SEPARABLE[:2], "dil_conv_3x3", "dil_conv_5x5"),
        nodes=4,
        loose_ends=False,
        extremes=_OF_DARTS,
    ),
    "nasnet": Family(
        (
            "skip_connect",
            *_POOLS,
            "max_pool_5x5",
            "max_pool_7x7",
            "conv_1x1",
            "conv_3x3",
            "conv_3x1_1x3",
            "conv_7x1_1x7",
            *_SEPARABLE,
            "dil_conv_3x3",
        ),
        nodes=5,
        loose_ends=True,
        extremes=_OF_LOOSE_ENDS,
    ),
    "amoeba": Family(
        ("skip_connect", *_POOLS, "conv_7x1_1x7", *_SEPARABLE, "dil_sep_conv_3x3"),
        nodes=5,
        loose_ends=True,
        extremes=_OF_LOOSE_ENDS,
    ),
    "pnas": Family(
        ("skip_connect", *_POOLS, "conv_7x1_1x7", *_SEPARABLE, "dil_conv_3x3"),
        nodes=5,
        loose_ends=False,
        extremes=_OF_ALL_NODES,
    ),
    "enas": Family(
        ("skip_connect", *_POOLS, *_SEPARABLE[:2]),
        nodes=5,
        loose_ends=True,
        extremes=_OF_LOOSE_ENDS,
    ),
}
