"""The spaces of the atlas: what is known of their architectures, and which of them are scored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from models.benchmarks import AccuracyTable, read_csv, read_table
from models.search.sampling_rules import draw_distinct
from models.seeding import generator
from models.spaces import (
    DartsSpace,
    NasBench101Space,
    NasBench201Space,
    ProxySetting,
    SearchSpace,
    TransNasMicroSpace,
    VisionTransformerSpace,
)


class Place(NamedTuple):
    """A space, the architectures with known accuracies, and how many of them are scored."""

    title: str
    space: SearchSpace
    read: Callable[[Path], AccuracyTable]
    drawn: bool
    """From the space, or else from the table, which has only some of it."""
    skipped: tuple[str, ...] = ()
    """Indicators that refuse some of the architectures."""
    setting: ProxySetting | None = None
    """One for all indicators; by default that of the space for each."""


def _csv(name: str, architecture: str | list[str], **columns: str) -> Callable[[Path], Any]:
    return lambda data: read_csv(data / name, architecture, columns)


def _nasbench201(data: Path) -> AccuracyTable:
    return read_table(data / "nasbench201_test_accuracy.csv")


PLACES = {
    "nasbench201": Place(
        "NAS-Bench-201, each score at its own setting",
        NasBench201Space(),
        _nasbench201,
        drawn=True,
    ),
    "nasbench201_alike": Place(
        "NAS-Bench-201",
        NasBench201Space(),
        _nasbench201,
        drawn=True,
        setting=ProxySetting({"channels": 4, "cells_per_stage": 1}, 32),
    ),
    "transnas_micro": Place(
        "TransNAS-Bench-101, micro",
        TransNasMicroSpace(),
        _csv(
            "transnas_micro.csv",
            "architecture",
            object="class_object",
            scene="class_scene",
            room_layout="room_layout",
            segmentation="segmentsemantic",
        ),
        drawn=True,
    ),
    "nasbench101": Place(
        "NAS-Bench-101",
        NasBench101Space(),
        _csv(
            "nasbench101_sample.csv",
            ["module_adjacency", "module_operations"],
            cifar10="validation_accuracy",
        ),
        drawn=False,
    ),
    "darts": Place(
        "DARTS",
        DartsSpace(),
        _csv("darts_sample.csv", "genotype", cifar10="cifar10_accuracy"),
        drawn=False,
        skipped=("linear_regions",),
    ),
    "autoformer_tiny": Place(
        "AutoFormer-tiny",
        VisionTransformerSpace(),
        _csv(
            "autoformer_tiny_sample.csv",
            ["embedding", "depth", "mlp_ratios", "heads"],
            imagenet="imagenet_in_supernet",
            cifar100="cifar100",
            flowers="flowers",
            chaoyang="chaoyang",
        ),
        drawn=False,
    ),
}
CELLS = {
    "nasbench201": 200,
    "nasbench201_alike": 200,
    "transnas_micro": 180,
    "nasbench101": 169,
    "darts": 120,
    "autoformer_tiny": 60,
}


def connected(space: SearchSpace, architecture: Any) -> bool:
    """Whether a path with or without operations leads from input to output."""
    if not isinstance(space, NasBench201Space):
        return True
    live = {0}
    for (source, target), operation in zip(space.edges, architecture.operations, strict=True):
        if operation != "none" and source in live:
            live.add(target)
    return 3 in live


def architectures_of(place: Place, table: AccuracyTable, count: int) -> list[Any]:
    """Draw the architectures of a place, always the same first ones."""
    draw = generator(0, "sample")
    if place.drawn:
        many = draw_distinct(place.space, min(2 * count + 20, place.space.count), draw)
        return [one for one in many if connected(place.space, one)][:count]
    listed = table.architectures(place.space)
    if len(listed) <= count:
        return listed
    return [listed[i] for i in torch.randperm(len(listed), generator=draw)[:count].tolist()]
