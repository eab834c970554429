"""Objects as builtins, for checkpoints and files."""

import json
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from models.search.budget import Budget
from models.search.costs import shown
from models.spaces import SearchSpace
from models.topology import effective_depth_width


def describe(thing: Any, leave_out: Collection[str] = ()) -> Any:
    """A thing's class and plain attributes, or its hyper-parameters where it has some.

    Two things that are described alike behave alike; what is not a number, text or a collection of
    them is described in turn.

    Args:
        thing: an indicator, a DataModule, a collection.
        leave_out: attributes that may differ, such as the folder where data lie.
    """
    if thing is None or isinstance(thing, bool | int | float | str):
        return thing
    if isinstance(thing, list | tuple):
        return [describe(item) for item in thing]
    attributes = getattr(thing, "hparams", None)
    if attributes is None:
        attributes = thing if isinstance(thing, Mapping) else vars(thing)
    described = {
        str(k): describe(v)
        for k, v in attributes.items()
        if not str(k).startswith("_") and k not in leave_out
    }
    return described if isinstance(thing, Mapping) else {"class": type(thing).__name__, **described}


IMMATERIAL = (
    "root",
    "download",
    "cache_dir",
    "in_memory",
    "num_workers",
    "batch_size",
    "augment",
    "predict_folder",
)
"""Arguments of a DataModule on which the images of `probe` do not depend."""


def public_path(cls: type) -> str:
    """The shortest import path of a class: `models.PruningSearch`, whichever file holds it."""
    parts = cls.__module__.split(".")
    packages = (".".join(parts[:end]) for end in range(1, len(parts)))
    holds = (p for p in packages if getattr(sys.modules.get(p), cls.__qualname__, None) is cls)
    return f"{next(holds, cls.__module__)}.{cls.__qualname__}"


def describe_images(source: Any) -> Any:
    """Describe the settings that decide the images that a search draws.

    Args:
        source: the DataModule.
    """
    return describe(source, leave_out=IMMATERIAL)


def describe_architecture(space: SearchSpace, architecture: Any) -> dict[str, Any]:
    """Return how `architecture.json` names an architecture, for `read_architecture`.

    `depth_width` has the effective depth and width of each cell; none in a space without graphs.
    """
    graphs = space.topologies(architecture)
    return {
        "architecture": space.format(architecture),
        "space": space.name,
        "cells": space.to_json(architecture),
        "depth_width": {
            name: effective_depth_width(graph)._asdict() for name, graph in graphs.items()
        },
    }


def describe_costs(budget: Budget, architecture: Any) -> dict[str, Any]:
    """Return the costs of the network that will be trained, as `architecture.json` has them.

    `costs` has parameters and multiply–adds, and `latency_ms` where it is known, with
    `latency_ms_interquartile_range` where it was measured; empty where the network cannot take the
    images. `doubt` says where a latency's spread leaves open whether it keeps to the budget.
    """
    costs = budget.costs
    try:
        described = costs.of(architecture, ["parameters", "multiply_adds"])
        if "latency_ms" in budget.bounds or not costs.measures:
            median, spread = costs.latency(architecture)
            described["latency_ms"] = median
            if costs.measures:
                described["latency_ms_interquartile_range"] = spread
    except ValueError:
        return {"costs": {}}
    doubt = budget.doubt(architecture)
    return {"costs": described, **({"doubt": doubt} if doubt else {})}


def against_budget(budget: Budget, architecture: Any) -> str:
    """Return "; parameters 180,000 of 200,000" and so on, or nothing where there is no budget."""
    costs = budget.costs.of(architecture, budget.bounds)
    parts = [
        f"{name} {shown(costs[name])} of {shown(bound)}" for name, bound in budget.bounds.items()
    ]
    doubt = budget.doubt(architecture)
    return "".join(f"; {part}" for part in [", ".join(parts), doubt] if part)


def how_to_train(
    space: SearchSpace, images: Any, sizes: Mapping[str, Any], result: Path | None
) -> str:
    """Return the command that trains what a search found.

    Args:
        space: that was searched.
        images: the DataModule that the search drew from.
        sizes: of the network, as `space.network` takes them; empty for the space's own.
        result: the search's `architecture.json`.
    """
    root = getattr(images, "root", None)
    side = getattr(images, "hparams", {}).get("image_size")
    words = [
        "lightning fit --model models.ArchitectureClassifier",
        f"--model.space {public_path(type(space))}",
        f"--model.architecture {result or 'architecture.json'}",
        f"--model.sizes '{json.dumps(dict(sizes))}'" if sizes else "",
        f"--data {public_path(type(images))}",
        f"--data.root {root}" if root else "",
        f"--data.image_size {side}" if side else "",
    ]
    return " ".join(filter(None, words))
