"""Objects as builtins, for checkpoints and files."""

from collections.abc import Collection, Mapping
from typing import Any

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
