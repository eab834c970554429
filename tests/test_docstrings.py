"""What is public says what it takes and gives, what goes wrong, and which way is better."""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch

import callbacks
import datamodules
import models
import models.indicators
import models.networks
import models.search
import models.spaces
import models.topology
from models.indicators import Indicator

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
ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path
    for name in ("callbacks", "datamodules", "lightning_app", "models")
    for path in (ROOT / name).rglob("*.py")
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
    text = inspect.cleandoc(
        vars(thing).get("__doc__") or "" if inspect.isclass(thing) else thing.__doc__ or ""
    )
    others = re.findall(r"those of `(\w+)`", text)
    return "\n".join(
        [text, *(f.__doc__ or "" for n, f in FUNCTIONS.items() if n.split(".")[-1] in others)]
    )


def doc_with_bases(cls: type) -> str:
    """Docstrings of a class and of this project's classes that it derives from."""
    ours = ("callbacks", "datamodules", "lightning_app", "models")
    bases = (base for base in inspect.getmro(cls) if base.__module__.split(".")[0] in ours)
    return "\n".join(map(own_doc, bases))


def parameters(function: Any) -> list[str]:
    """Names that a caller may give."""
    given = inspect.signature(function).parameters.values()
    return [p.name for p in given if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def public_methods(cls: type) -> Iterator[tuple[str, Any]]:
    """Methods and properties that a class itself defines."""
    for name, member in vars(cls).items():
        member = member.fget if isinstance(member, property) else member
        member = member.__func__ if isinstance(member, staticmethod | classmethod) else member
        if inspect.isfunction(member) and not name.startswith("_"):
            yield name, member


def raised(function: Any) -> set[str]:
    """Exceptions that a function raises itself."""
    tree = ast.parse(dedent(inspect.getsource(function)))
    calls = (node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc)
    names = (call.func if isinstance(call, ast.Call) else call for call in calls)
    return {name.id for name in names if isinstance(name, ast.Name) and name.id[0].isupper()}


@pytest.mark.parametrize("name", EXPORTED)
def test_everything_exported_says_what_it_is(name: str) -> None:
    thing = EXPORTED[name]
    if inspect.isclass(thing) or inspect.isfunction(thing):
        assert len(own_doc(thing).split()) > 4


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert text
    assert len(text.split()) > 2


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_name_arguments_results_and_errors(name: str) -> None:
    function = FUNCTIONS[name]
    text = own_doc(function)
    for argument in parameters(function):
        assert re.search(rf"\b{argument}\b", text), argument
    for error in raised(function):
        assert error in text, error
    if "Tensor" in str(inspect.signature(function).return_annotation):
        assert re.search(r"\([\w ]+, ?[\w …]*\)", text), "a shape, such as (N, N)"


@pytest.mark.parametrize(
    "name", [n for n, c in CLASSES.items() if not getattr(c, "_is_protocol", False)]
)
def test_classes_name_their_arguments(name: str) -> None:
    cls = CLASSES[name]
    text = doc_with_bases(cls)
    made = vars(cls).get("__post_init__" if is_dataclass(cls) else "__init__")
    if made is None and not is_dataclass(cls):
        return
    for argument in parameters(cls):
        assert re.search(rf"\b{argument}\b", text), argument
    for error in raised(made) if made else ():
        assert error in text, error


@pytest.mark.parametrize("name", CLASSES)
def test_public_methods_say_what_they_do(name: str) -> None:
    cls = CLASSES[name]
    for method_name, method in public_methods(cls):
        inherited = [getattr(base, method_name, None) for base in cls.__mro__[1:]]
        texts = [own_doc(one) for one in (method, *inherited) if one is not None and one.__doc__]
        text = "\n".join(texts)
        assert text, method_name
        for error in raised(method):
            # The method says when, or what it overrides, or its class.
            assert error in text + own_doc(cls), f"{method_name}: {error}"


@pytest.mark.parametrize(
    "name", [n for n, c in CLASSES.items() if issubclass(c, Indicator) and c is not Indicator]
)
def test_indicators_say_which_way_is_better(name: str) -> None:
    cls = CLASSES[name]
    better = "higher is better" if cls.higher_is_better else "lower is better"
    assert better in own_doc(cls).lower()


@pytest.mark.parametrize(
    "name",
    [
        n
        for n, c in CLASSES.items()
        if issubclass(c, torch.nn.Module) and n.startswith("models.networks")
    ],
)
def test_networks_say_their_shapes(name: str) -> None:
    cls = CLASSES[name]
    forward = vars(cls).get("forward")
    if forward is not None:
        assert re.search(r"\([\w ]+, ?.*\)", own_doc(forward)), name
