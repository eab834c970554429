"""What is public says what it takes and gives, what goes wrong, and which way is better."""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
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


def test_everything_exported_says_what_it_is() -> None:
    documented = (n for n, t in EXPORTED.items() if inspect.isclass(t) or inspect.isfunction(t))
    assert [name for name in documented if len(own_doc(EXPORTED[name]).split()) < 5] == []


def test_every_module_says_what_it_is_for() -> None:
    texts = {path: ast.get_docstring(ast.parse(path.read_text("utf-8"))) for path in SOURCES}
    assert [str(path) for path, text in texts.items() if len((text or "").split()) < 3] == []


def unnamed(function: Any, text: str) -> Iterator[str]:
    """Arguments and errors of a function that a text does not name."""
    for word in [*parameters(function), *raised(function)]:
        if not re.search(rf"\b{word}\b", text):
            yield word


def test_functions_name_arguments_results_and_errors() -> None:
    offenders = [
        f"{name}: {word}" for name, f in FUNCTIONS.items() for word in unnamed(f, own_doc(f))
    ]
    offenders += [
        f"{name}: a shape, such as (N, N)"
        for name, function in FUNCTIONS.items()
        if "Tensor" in str(inspect.signature(function).return_annotation)
        and not re.search(r"\([\w ]+, ?[\w …]*\)", own_doc(function))
    ]
    assert offenders == []


def test_classes_name_their_arguments() -> None:
    offenders = []
    for name, cls in CLASSES.items():
        made = vars(cls).get("__post_init__" if is_dataclass(cls) else "__init__")
        if getattr(cls, "_is_protocol", False) or (made is None and not is_dataclass(cls)):
            continue
        words = [*parameters(cls), *(raised(made) if made else ())]
        text = doc_with_bases(cls)
        offenders += [f"{name}: {word}" for word in words if not re.search(rf"\b{word}\b", text)]
    assert offenders == []


def test_public_methods_say_what_they_do() -> None:
    offenders = []
    for name, cls in CLASSES.items():
        for method_name, method in public_methods(cls):
            inherited = [getattr(base, method_name, None) for base in cls.__mro__[1:]]
            known = [
                own_doc(one) for one in (method, *inherited) if one is not None and one.__doc__
            ]
            # The method says when it raises, or what it overrides, or its class.
            text = "\n".join([*known, own_doc(cls)])
            words = raised(method) if known else {"no docstring"}
            offenders += [f"{name}.{method_name}: {word}" for word in words if word not in text]
    assert offenders == []


def test_indicators_say_which_way_is_better() -> None:
    own = {n: c for n, c in CLASSES.items() if issubclass(c, Indicator) and c is not Indicator}
    better = {True: "higher is better", False: "lower is better"}
    silent = [n for n, c in own.items() if better[c.higher_is_better] not in own_doc(c).lower()]
    assert silent == []


def test_networks_say_their_shapes() -> None:
    forwards = {
        name: vars(cls)["forward"]
        for name, cls in CLASSES.items()
        if name.startswith("models.networks") and "forward" in vars(cls)
    }
    silent = [n for n, f in forwards.items() if not re.search(r"\([\w ]+, ?.*\)", own_doc(f))]
    assert silent == []


def test_entries_of_docstrings_begin_alike() -> None:
    """`name: what it is`, in lower case, but for names and acronyms."""
    entry = re.compile(r"^ +[*\w., ]+: ([A-Z][a-z]+|A)\b(?![A-Z])")
    names = {"Python", "Lightning", "He", "Kendall", "Fisher", "Jacobian", "Gram", "Pareto"}
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                continue
            text = ast.get_docstring(node) or ""
            for section in re.findall(r"^(?:Args|Attributes|Raises):\n((?: .*\n?)+)", text, re.M):
                for line in section.splitlines():
                    word = entry.match(line) if re.match(" {4}[^ ]", line) else None
                    if word and word[1] not in names:
                        found.append(f"{path.relative_to(ROOT)}: {line.strip()}")
    assert found == []
