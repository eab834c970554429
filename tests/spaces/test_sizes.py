"""Sizes that a config gives."""

from typing import Any

import pytest

from models.spaces import DartsSpace, NasBench201Space
from models.spaces.sizes import check_sizes


def test_those_of_the_space_are_taken() -> None:
    check_sizes(NasBench201Space().network, {"channels": 4, "cells_per_stage": 1}, "networks")
    check_sizes(DartsSpace().network, {"channels": 4, "auxiliary": False}, "networks")
    check_sizes(DartsSpace().supernet, {"cells": 3, "stem_multiplier": 1}, "supernets")


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"cells": 3}, "^sizes: supernets have no 'cells'; allowed: channels, cells_per_stage$"),
        ({"mask": None}, "sizes: supernets have no 'mask'"),
        ({"num_classes": 3}, "sizes: supernets have no 'num_classes'"),
        ({"channels": 0}, "^sizes: channels: expected 1 or more, got 0$"),
        ({"channels": "x"}, "^sizes: channels: expected int, got 'x'$"),
        ({"channels": 4.5}, "^sizes: channels: expected int, got 4.5$"),
        ({"channels": True}, "^sizes: channels: expected int, got True$"),
    ],
)
def test_others_are_refused(sizes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_sizes(NasBench201Space().supernet, sizes, "supernets")


def test_a_size_may_be_left_to_the_space() -> None:
    check_sizes(DartsSpace().network, {"channels": None, "stem": "imagenet"}, "networks")
    with pytest.raises(ValueError, match="sizes: auxiliary: expected bool, got 1"):
        check_sizes(DartsSpace().network, {"auxiliary": 1}, "networks")
