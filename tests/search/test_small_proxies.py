"""Settings of small proxies: of indicators that exist, and that networks take."""

from inspect import isclass
from pathlib import Path

import pytest

from models import indicators
from models.indicators import Indicator, RankAggregate
from models.search import small_proxies
from models.search.small_proxies import ProxySetting, paper_proxy, small_proxy
from models.spaces import DartsSpace, NasBench201Space
from models.spaces.sizes import check_sizes


def test_measured_settings_name_indicators() -> None:
    classes = (getattr(indicators, name) for name in indicators.__all__)
    kinds = (Indicator, RankAggregate)
    names = {getattr(c, "name", None) for c in classes if isclass(c) and issubclass(c, kinds)}
    assert small_proxies._MEASURED.keys() <= names


@pytest.mark.parametrize("space", [NasBench201Space(), DartsSpace()])
def test_networks_take_them(space: NasBench201Space | DartsSpace) -> None:
    for name in ("activation_overlap", "mine", *small_proxies._MEASURED):
        check_sizes(space.network, small_proxy(space.name, name).network, space.name, "network")
    check_sizes(space.network, paper_proxy(space.name).network, space.name, "network")


def test_which_is_taken() -> None:
    deep = ProxySetting({"channels": 4, "cells_per_stage": 5}, 16)
    assert small_proxy("nasbench201", "rank_aggregate") == deep
    assert small_proxy("nasbench201", "mine") == small_proxy("nasbench201", "activation_overlap")
    assert small_proxy("darts", "rank_aggregate") == ProxySetting({"channels": 4, "cells": 3}, 32)
    assert small_proxy("my_space", "mine") == ProxySetting({}, 32)
    assert paper_proxy("my_space") == ProxySetting({}, 128)


def test_they_are_those_of_the_page() -> None:
    """Bold in the table of docs/search.md; SynFlow, which looks at no image, in any of three."""
    page = (Path(__file__).parents[2] / "docs" / "search.md").read_text("utf-8")
    head, _, *rows = page[page.index("| C, N, images |") :].split("\n\n")[0].splitlines()
    columns = [tuple(map(int, cell.split(","))) for cell in head.split("|")[2:-1]]
    bold = {}
    for row in rows:
        name, *cells = row.split("|")[1:-1]
        (at,) = (i for i, cell in enumerate(cells) if "**" in cell)
        bold[name.strip()] = columns[at]
    assert bold.pop("SynFlow") == (4, 1, 64)
    names = {
        "activation overlap": "activation_overlap",
        "Jacobian covariance": "jacobian_covariance",
        "ZiCo": "zico",
        "gradient flow": "gradient_flow",
        "expressivity": "expressivity",
        "progressivity": "progressivity",
        "trainability": "trainability",
        "−κ, frozen": "ntk_condition_number",
        "SNIP": "snip",
    }
    for name, (channels, cells_per_stage, images) in bold.items():
        network = {"channels": channels, "cells_per_stage": cells_per_stage}
        expected = ProxySetting(network, images)
        assert small_proxy("nasbench201", names[name]) == expected, name
