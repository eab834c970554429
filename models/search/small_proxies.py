"""Networks and batches as small as each indicator can do with."""

from typing import NamedTuple


class ProxySetting(NamedTuple):
    """What scores are taken on."""

    network: dict[str, int]
    """Sizes as `space.network` takes them; empty for its own."""
    batch_size: int
    """Images."""


_STANDARD = {
    "nasbench201": ProxySetting({"channels": 4, "cells_per_stage": 1}, 32),
    "darts": ProxySetting({"channels": 4, "cells": 3}, 32),
}
_PAPER = {
    "nasbench201": ProxySetting({"channels": 16, "cells_per_stage": 5}, 128),
    "darts": ProxySetting({"channels": 16, "cells": 20}, 128),
}
_WIDE = ProxySetting({"channels": 16, "cells_per_stage": 1}, 32)
_DEEP = ProxySetting({"channels": 4, "cells_per_stage": 5}, 16)
_MEASURED = {
    "jacobian_covariance": _WIDE,
    "expressivity": _WIDE,
    "progressivity": _WIDE,
    "zico": ProxySetting({"channels": 4, "cells_per_stage": 1}, 16),
    "trainability": _DEEP,
    "ntk_condition_number": _DEEP,
    "snip": _DEEP,
    "rank_aggregate": _DEEP,
}
"""NAS-Bench-201: the cheapest of six settings whose τ is within 0.02 of the best (docs/search.md).
Where it is not named, that is the standard one."""


def small_proxy(space: str, indicator: str) -> ProxySetting:
    """The cheapest setting that ranks nearly as well as any, by the names of both.

    Measured on NAS-Bench-201. Elsewhere it is three cells of four channels on DARTS, and a space's
    own sizes where nothing is known, with 32 images.
    """
    if space == "nasbench201" and indicator in _MEASURED:
        return _MEASURED[indicator]
    return _STANDARD.get(space, ProxySetting({}, 32))


def paper_proxy(space: str) -> ProxySetting:
    """The networks that the spaces' papers train, with NASWOT's 128 images."""
    return _PAPER.get(space, ProxySetting({}, 128))
