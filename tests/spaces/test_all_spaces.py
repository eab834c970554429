"""What every space is held to: texts, draws, neighbours, a search and the training of its find."""

import inspect
import json
import math
import random
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
import pytorch_lightning as pl
import torch

from datamodules import DigitsDataModule
from models import ArchitectureClassifier, SamplingSearch
from models.indicators import Parameters, RankAggregate, SynFlow
from models.search.costs import Costs
from models.spaces import (
    DartsSpace,
    MobileNetSpace,
    NasBench101Space,
    NasBench201Space,
    NdsSpace,
    SearchSpace,
    TransNasMicroSpace,
    VisionTransformerSpace,
)
from models.spaces.nds import Name
from models.testing import check_space


class Case(NamedTuple):
    """A space, and sizes of networks that a test can run on images of 8×8."""

    space: SearchSpace
    sizes: dict[str, Any]


CASES = {
    case.space.name: case
    for case in (
        Case(NasBench201Space(), {"channels": 2, "cells_per_stage": 1}),
        Case(DartsSpace(), {"channels": 2, "cells": 3}),
        Case(
            TransNasMicroSpace(),
            {"channels": 2, "cells_per_layer": 1, "stem_stride": 1},
        ),
        Case(NasBench101Space(), {"channels": 8, "modules_per_stack": 1}),
        Case(MobileNetSpace(), {"reduction": 4}),
        Case(VisionTransformerSpace(), {"image_size": 8, "patch_size": 4}),
        *(Case(NdsSpace(name), {"channels": 2, "cells": 2}) for name in get_args(Name)),
    )
}
SMALL = [name for name, case in CASES.items() if case.space.count <= 20_000]
"""Spaces that a walk can see the whole of."""


def draws(space: SearchSpace, number: int, seed: int = 0) -> list[Any]:
    generator = torch.Generator().manual_seed(seed)
    return [space.random_architecture(generator) for _ in range(number)]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def test_every_space_of_the_package_is_held_to_this() -> None:
    import models.spaces

    exported = [getattr(models.spaces, name) for name in models.spaces.__all__]
    names = {
        one.name
        for one in exported
        if inspect.isclass(one) and issubclass(one, SearchSpace) and hasattr(one, "name")
    }
    assert names | {f"nds_{name}" for name in get_args(Name)} == set(CASES)


def test_the_contract(case: Case) -> None:
    check_space(case.space)


def test_what_is_written_is_read(case: Case) -> None:
    space = case.space
    for architecture in draws(space, 200):
        assert space.parse(space.format(architecture)) == architecture
        assert space.from_json(json.loads(json.dumps(space.to_json(architecture)))) == architecture


def damaged(text: str, chance: random.Random) -> str:
    """Cut, double, exchange or replace a part of a text."""
    a, b = sorted(chance.choices(range(len(text) + 1), k=2))
    b = min(b, a + chance.choice((1, 2, 5, 20)))
    parts = (
        "",
        text[a:b] * 2,
        text[a:b][::-1],
        "".join(chance.choices("0123456789|~+_-,:()[]{}'\" abcxyz×\n\t", k=3)),
        chance.choice(("-1", "99999999999999999999", "null", "none", "1e999", "NaN", "true")),
    )
    return text[:a] + chance.choice(parts) + text[b:]


def test_damaged_texts_are_read_or_refused_in_one_line_that_quotes(case: Case) -> None:
    space, chance = case.space, random.Random(0)
    texts = [space.format(architecture) for architecture in draws(space, 50)]
    refused = 0
    for _ in range(2_000):
        text = chance.choice(texts)
        for _ in range(chance.choice((1, 1, 2))):
            text = damaged(text, chance)
        try:
            found = space.parse(text)
        except ValueError as error:
            refused += 1
            message = str(error)
            assert len(message.splitlines()) == 1, message
            assert quotes(message, text), (message, text)
        else:
            assert space.parse(space.format(found)) == found
    assert refused > 500


def quotes(message: str, text: str) -> bool:
    """Whether something in quotes or brackets, or a number, of a message is of the text."""
    shown = [*re.findall(r"'([^']*)|\"([^\"]*)|([\[(].*)", message)]
    parts = [part for found in shown for part in found if part]
    numbers = re.findall(r"\d+", message)
    plain = re.sub(r"\W", "", text.encode("unicode_escape").decode())
    return not text or any(
        re.sub(r"\W", "", part.split("…")[0].split("...")[0]) in plain for part in parts + numbers
    )


def test_a_walk_of_mutations_stays_in_the_space(case: Case) -> None:
    space, generator = case.space, torch.Generator().manual_seed(0)
    (architecture,) = draws(space, 1)
    for _ in range(300):
        near = space.mutate(architecture, generator)
        assert near != architecture
        assert space.parse(space.format(near)) == near
        architecture = near


@pytest.mark.parametrize("name", SMALL)
def test_mutations_reach_all_of_a_small_space(name: str) -> None:
    """A walk of 10,000 steps sees about as many architectures as 10,000 draws would."""
    space, generator = CASES[name].space, torch.Generator().manual_seed(0)
    (architecture,) = draws(space, 1)
    seen = set()
    for _ in range(10_000):
        architecture = space.mutate(architecture, generator)
        seen.add(architecture)
    assert len(seen) > 0.95 * space.count * (1 - math.exp(-10_000 / space.count))


def test_crossover_and_canonical_stay_in_the_space(case: Case) -> None:
    space, generator = case.space, torch.Generator().manual_seed(0)
    drawn = draws(space, 40)
    for first, second in pairwise(drawn):
        child = space.crossover(first, second, generator)
        assert space.parse(space.format(child)) == child
        same = space.canonical(child)
        assert space.parse(space.format(same)) == same
        assert space.canonical(same) == same


def test_a_search_under_a_budget(
    case: Case, tmp_path: Path, trainer: Callable[..., pl.Trainer]
) -> None:
    """Half of what is drawn is too large."""
    images = DigitsDataModule()
    costs = Costs(case.space, images.in_shape, images.num_classes, case.sizes)
    drawn = [costs.of(one, ["parameters"])["parameters"] for one in draws(case.space, 5)]
    bound = sorted(drawn)[2]
    search = SamplingSearch(
        images,
        case.space,
        samples=3,
        indicator=Parameters(),
        batch_size=4,
        network=case.sizes,
        sizes=case.sizes,
        budget={"parameters": bound},
    )
    trainer(max_epochs=-1, default_root_dir=tmp_path).fit(search)
    assert search.finished
    for architecture in search.kept:
        assert costs.of(architecture, ["parameters"])["parameters"] <= bound


def test_what_a_search_finds_is_trained(
    case: Case, tmp_path: Path, trainer: Callable[..., pl.Trainer]
) -> None:
    """Exports of every space are in `tests/test_export.py`."""
    images = DigitsDataModule(batch_size=32)
    search = SamplingSearch(
        images,
        case.space,
        samples=2,
        indicator=RankAggregate([Parameters(), SynFlow()]),
        batch_size=4,
        network=case.sizes,
        seed=1,
    )
    trainer(max_epochs=-1, default_root_dir=tmp_path).fit(search)
    text = case.space.format(search.architecture)
    classifier = ArchitectureClassifier(
        case.space, text, images.in_shape, images.num_classes, sizes=case.sizes
    )
    trainer(limit_train_batches=2, limit_val_batches=1).fit(classifier, images)
    assert classifier.trainer.global_step == 2
