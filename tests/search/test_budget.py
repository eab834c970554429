"""Costs of what will be trained, and bounds on them."""

from collections import Counter
from functools import wraps

import pytest
from torch import nn

from datamodules import DigitsDataModule
from models import SamplingSearch
from models.indicators import Parameters
from models.networks.cost import Latency, cost
from models.search import Budget, Costs, DepthWidthFilter, Limit
from models.search.constraints import Filtering
from models.spaces import NasBench201Space

SPACE = NasBench201Space()
DATA = ((3, 16, 16), 7)
SIZES = {"channels": 4, "cells_per_stage": 1}
SMALL = SPACE.parse("|avg_pool_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|none~2|")
LARGE = SPACE.parse(
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)
NOTHING = SPACE.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")


def costs(**latencies: float) -> Costs:
    of = {SPACE.format(SMALL): 1.0, SPACE.format(LARGE): 9.0, SPACE.format(NOTHING): 0.5}
    return Costs(SPACE, *DATA, SIZES, lambda one: of[SPACE.format(one)])


def test_costs_are_those_of_the_network_that_will_be_trained() -> None:
    found = costs().of(LARGE)
    counted = cost(SPACE.network(LARGE, 7, 3, **SIZES), DATA[0])
    expected = [counted.parameters, counted.multiply_adds, 9.0]
    assert list(found.values()) == expected
    assert list(found) == ["parameters", "multiply_adds", "latency_ms"]
    with pytest.raises(ValueError, match="sizes: nasbench201 networks have no 'depth'"):
        Costs(SPACE, *DATA, {"depth": 3})


def test_each_cost_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()
    of = SPACE.network

    @wraps(of)
    def network(*arguments, **sizes):
        calls["built"] += 1
        return of(*arguments, **sizes)

    def measured(network: nn.Module, *_: object) -> Latency:
        calls["measured"] += 1
        assert not next(network.parameters()).is_meta
        return Latency(float(calls["measured"]), 0.25)

    monkeypatch.setattr(SPACE, "network", network)
    monkeypatch.setattr("models.search.costs.latency", measured)
    ours = Costs(SPACE, *DATA, SIZES)
    assert ours.of(SMALL, ["parameters"]) | ours.of(SMALL, ["multiply_adds"])
    assert calls == {"built": 1}
    assert ours.of(SMALL) == ours.of(SMALL)
    assert calls == {"built": 2, "measured": 1}
    # A resume, or another process that is told, decides on the same numbers.
    other = Costs(SPACE, *DATA, SIZES)
    other.load_state(ours.state())
    assert other.latency(SMALL) == (1.0, 0.25)
    assert other.latency(LARGE) == (2.0, 0.25)
    assert calls["measured"] == 2


def test_a_bound_is_kept_to_the_last_unit() -> None:
    ours = costs()
    exact = ours.of(LARGE)
    assert Budget(exact, ours).refuses(LARGE) is None
    for name in exact:
        tight = exact | {name: exact[name] - 1e-6}
        assert Budget(tight, ours).refuses(LARGE) == f"budget.{name}"
    assert Budget(None, ours).refuses(LARGE) is None


def test_a_network_that_computes_nothing_keeps_to_no_bound_on_its_size() -> None:
    assert costs().of(NOTHING, ["parameters"]) == {"parameters": 0}
    assert Budget({"multiply_adds": 1e9}, costs()).refuses(NOTHING) == "budget.multiply_adds"


def test_what_is_cheaper_to_find_out_is_looked_at_first() -> None:
    asked: list[str] = []
    ours = costs()
    of = ours.of

    def noted(architecture, names):
        asked.extend(names)
        return of(architecture, names)

    ours.of = noted
    budget = Budget({"latency_ms": 0.1, "multiply_adds": 1.0, "parameters": 1e9}, ours)
    assert budget.refuses(SMALL) == "budget.multiply_adds"
    assert asked == ["parameters", "multiply_adds"]
    asked.clear()
    rules = [Limit(Parameters(), at_most=1), DepthWidthFilter(depth=(5, 6), width=(5, 6))]
    filtering = Filtering(rules, SPACE, *DATA, budget)
    assert not filtering.keeps(SMALL)
    assert filtering.refused == {"DepthWidthFilter": 1}
    assert asked == []
    filtering = Filtering(rules[:1], SPACE, *DATA, Budget({"latency_ms": 0.1}, ours))
    assert not filtering.keeps(SMALL)
    assert filtering.refused == {"Limit": 1}
    assert asked == []


@pytest.mark.parametrize(("spread", "in_doubt"), [(0.2, False), (1.0, True)])
def test_a_spread_wider_than_the_distance_to_the_bound_is_told(spread, in_doubt) -> None:
    ours = Costs(SPACE, *DATA, SIZES)
    ours.load_state({SPACE.format(SMALL): [1.5, spread]})
    doubt = Budget({"latency_ms": 2.0}, ours).doubt(SMALL)
    expected = f"latency_ms 1.5 is nearer to its bound 2 than its interquartile range {spread:g}"
    assert doubt == (expected if in_doubt else None)
    assert Budget({"parameters": 1e9}, ours).doubt(SMALL) is None


BAD = [
    ({"parameters": 0}, "budget.parameters: expected a finite number above 0, got 0"),
    ({"parameters": -1}, "budget.parameters: .* got -1"),
    ({"multiply_adds": -5e6}, "budget.multiply_adds: .* got -5000000.0"),
    ({"latency_ms": 0.0}, "budget.latency_ms: .* got 0.0"),
    ({"parameters": float("inf")}, "budget.parameters: .* got inf"),
    ({"latency_ms": float("-inf")}, "budget.latency_ms: .* got -inf"),
    ({"multiply_adds": float("nan")}, "budget.multiply_adds: .* got nan"),
    ({"parameters": True}, "budget.parameters: .* got True"),
    ({"parameters": "lots"}, "budget.parameters: .* got 'lots'"),
    ({"parameters": "200000"}, "budget.parameters: .* got '200000'"),
    ({"latency_ms": None}, "budget.latency_ms: .* got None"),
    ({"parameters": [200000]}, r"budget.parameters: .* got \[200000\]"),
    ({"parameters": {"at_most": 1}}, "budget.parameters: .* got {'at_most': 1}"),
    ({"parameters": 1e5, "multiply_adds": -1}, "budget.multiply_adds: "),
    ({"flops": 1e6}, "budget.flops: no such cost; allowed: parameters, multiply_adds, latency_ms"),
    ({"Parameters": 1e6}, "budget.Parameters: no such cost"),
    ({3: 4}, "budget.3: no such cost"),
    ({}, "budget: expected bounds on parameters, .* or null for none, got {}"),
    ([200000], r"budget: expected bounds on .*, got \[200000\]"),
    (200000, "budget: expected bounds on .*, got 200000"),
    ("parameters", "budget: expected bounds on .*, got 'parameters'"),
    (True, "budget: expected bounds on .*, got True"),
]


@pytest.mark.parametrize(("bounds", "message"), BAD)
def test_a_bad_budget_is_one_line_that_names_the_bound(bounds, message) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        SamplingSearch(DigitsDataModule(), SPACE, samples=2, budget=bounds)
    assert "\n" not in str(raised.value)
