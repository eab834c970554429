"""What the README and docs/ name is there: links, classes, flags and figures."""

import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger

import callbacks
import datamodules
import models
from models.spaces import NasBench201Space

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(page: Path) -> str:
    return page.stem


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links(page: Path) -> None:
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        other = (page.parent / file).resolve() if file else page
        assert other.exists(), target
        assert not anchor or anchor in anchors(other), target
    for path in re.findall(r"configs/[\w/]+\.yaml", text):
        assert (ROOT / path).is_file(), path


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_names_of_python_exist(page: Path) -> None:
    """`models.X` and the like, in the text as in commands."""
    text = page.read_text("utf-8")
    pattern = r"(?<![\w.-])((?:models|callbacks|datamodules|lightning_app)(?:\.\w+)+)"
    for name in set(re.findall(pattern, text)):
        if name.endswith((".X", ".Y", ".py")):
            continue
        assert is_there(name), name


def exported(package: ModuleType) -> list[Any]:
    return [getattr(package, name) for name in package.__all__]


OF_CLASSES = {
    "model.optimizer": [torch.optim.SGD],
    "model.scheduler": [torch.optim.lr_scheduler.CosineAnnealingLR],
    "model.sizes": [NasBench201Space.network],
    "model": exported(models),
    "data": exported(datamodules),
    "trainer.callbacks": exported(callbacks),
    "trainer.logger": [TensorBoardLogger],
    "trainer": [pl.Trainer],
}
"""What takes the arguments below each key."""
OTHERS = {"data.noise", "trainer.max_epoch"}
"""An argument of an example, and a mistake that is explained."""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_flags_exist(page: Path) -> None:
    """In the text, as in commands."""
    text = page.read_text("utf-8")
    for flag in set(re.findall(r"(?<![\w-])--((?:model|data|trainer)\.\w[\w.]*\w)", text)):
        key = next(key for key in OF_CLASSES if f"{flag}.".startswith(f"{key}."))
        name = flag.removeprefix(key).strip(".").removeprefix("init_args.").split(".")[0]
        if name not in ("", "help", "init_args") and flag not in OTHERS:
            known = {taken for one in OF_CLASSES[key] for taken in arguments_taken(one)}
            assert name in known, flag
    for cls, name in re.findall(r"(?<![\w-])--callbacks\.(\w+)\.(\w+)", text):
        assert name in arguments_taken(getattr(callbacks, cls)), (cls, name)


def arguments_taken(thing: Any) -> Iterator[str]:
    """Of a function, or of a class and its bases."""
    for one in inspect.getmro(thing) if inspect.isclass(thing) else (thing,):
        yield from inspect.signature(one).parameters if one is not object else ()


def is_there(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    module, _, last = name.rpartition(".")
    with suppress(ImportError):
        __import__(name)
        return True
    with suppress(ImportError):
        return hasattr(sys.modules.get(module) or __import__(module, fromlist=["*"]), last)
    return module.count(".") > 0 and is_there(module)


def test_tables_of_the_readme_are_those_of_the_pages() -> None:
    """A figure is typed once, by whoever measured it."""
    text = README.read_text("utf-8")
    source = (ROOT / "docs" / "search.md").read_text("utf-8").splitlines()
    for first in ("| Scores | BatchNorm |", "| Searches | CIFAR-10 |", "| Indicator | ms |"):
        table = text[text.index(first) :].split("\n\n")[0].splitlines()
        assert len(table) > 4
        for row in table:
            assert row in source
