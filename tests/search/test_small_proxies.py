"""Settings of small proxies: of indicators that exist, and that networks take."""

from inspect import isclass

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
