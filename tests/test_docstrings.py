"""What is exported says what it takes, what goes wrong and which way is better."""

import ast
import inspect
import re
from dataclasses import is_dataclass
from textwrap import dedent
from typing import Any

import callbacks
import datamodules
import models
import models.indicators
import models.networks
import models.search
import models.spaces
import models.topology
from models.indicators import Indicator

OURS = ("callbacks", "datamodules", "lightning_app", "models")
PACKAGES = (
    callbacks,
    datamodules,
    models,
    models.indicators,
    models.networks,
    models.search,
    models.spaces,
    models.topology,
)
EXPORTED = {
    f"{package.__name__}.{name}": getattr(package, name)
    for package in PACKAGES
    for name in package.__all__
}
CLASSES = {name: thing for name, thing in EXPORTED.items() if inspect.isclass(thing)}
FUNCTIONS = {name: thing for name, thing in EXPORTED.items() if inspect.isfunction(thing)}


def own_doc(thing: Any) -> str:
    """A docstring that is not inherited, and those of the functions that it refers to."""
    text = (vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__) or ""
    others = re.findall(r"those of `(\w+)`", text)
    return "\n".join(
        [text, *(f.__doc__ or "" for n, f in FUNCTIONS.items() if n.split(".")[-1] in others)]
    )


def doc_with_bases(cls: type) -> str:
    """Docstrings of a class and of this project's classes that it derives from."""
    bases = (base for base in inspect.getmro(cls) if base.__module__.split(".")[0] in OURS)
    return "\n".join(map(own_doc, bases))


def parameters(function: Any) -> set[str]:
    """Names that a caller may give."""
    given = inspect.signature(function).parameters.values()
    return {p.name for p in given if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}


def raised(function: Any) -> set[str]:
    """Exceptions that a function raises itself."""
    tree = ast.parse(dedent(inspect.getsource(function)))
    calls = (node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc)
    names = (call.func if isinstance(call, ast.Call) else call for call in calls)
    return {name.id for name in names if isinstance(name, ast.Name) and name.id[0].isupper()}


def unsaid(words: set[str], text: str) -> set[str]:
    return {word for word in words if not re.search(rf"\b{word}\b", text)}


def test_functions_name_arguments_and_errors() -> None:
    missing = {
        name: unsaid(parameters(function) | raised(function), own_doc(function))
        for name, function in FUNCTIONS.items()
    }
    assert {name: words for name, words in missing.items() if words} == {}


def test_classes_name_arguments_and_errors() -> None:
    missing = {}
    for name, cls in CLASSES.items():
        made = vars(cls).get("__post_init__" if is_dataclass(cls) else "__init__")
        if getattr(cls, "_is_protocol", False) or (made is None and not is_dataclass(cls)):
            continue
        words = parameters(cls) | (raised(made) if made else set())
        missing[name] = unsaid(words, doc_with_bases(cls))
    assert {name: words for name, words in missing.items() if words} == {}


def test_public_methods_say_what_they_do_and_their_errors() -> None:
    missing = {}
    for name, cls in CLASSES.items():
        for key, member in vars(cls).items():
            method = inspect.unwrap(getattr(member, "fget", getattr(member, "__func__", member)))
            if key.startswith("_") or not inspect.isfunction(method):
                continue
            overridden = (getattr(base, key, None) for base in cls.__mro__[1:])
            text = "".join(one.__doc__ or "" for one in (method, *overridden) if one is not None)
            # The method says when, or what it overrides, or its class.
            missing[f"{name}.{key}"] = unsaid(raised(method), text + own_doc(cls))
            if not text:
                missing[f"{name}.{key}"].add("a docstring")
    assert {name: words for name, words in missing.items() if words} == {}


def test_indicators_say_which_way_is_better() -> None:
    scores = {c for c in CLASSES.values() if issubclass(c, Indicator) and c is not Indicator}
    better = {True: "higher is better", False: "lower is better"}
    assert [c for c in scores if better[c.higher_is_better] not in own_doc(c).lower()] == []
