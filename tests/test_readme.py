"""Every command and snippet of the README and of docs/ runs.

Shell blocks are run by bash with stand-ins for `lightning`, `python` and the like on its path that
only record what they are called with: loops, variables and quotes mean what they mean to a reader.
Each recorded command of this project is then run for one step, or only parsed where it would
download data or needs several processes.
"""

import doctest
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import torchvision
import yaml
from PIL import Image

from lightning_app.cli import main
from models import ArchitectureClassifier
from models.export import Photos, export
from models.spaces import NasBench101Space

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
STANDINS = ("lightning", "python", "torchrun", "srun", "make", "pip", "tensorboard")
STANDINS += (".venv/bin/tensorboard",)
STANDIN = r"""#!/bin/sh
printf '%s\0' "PYTHONPATH=$PYTHONPATH" {name} "$@" | tr '\n' ' ' | cat - '{end}' > '{record}'$$
cat '{record}'$$ >> '{record}'  # in one piece: others may run at the same time
rm '{record}'$$
"""
KINDS = {"sh", "bash", "python", "yaml", "math", ""}
"""Languages of fenced blocks; those without one show output, formulas are not run."""
AT_HAND = ("quickstart", "digits", "photos")
"""Configs, by name, that need no download."""
CHAIN = "k3_e1_c8_n1_se0-" + "-".join(f"k3_e3_c{c}_n1_se0" for c in (16, 16, 32, 48, 80, 80))
SKIPS = "|skip_connect~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
SMALL = {
    "search/quickstart": ["--model.batch_size", "4"],
    "search/sampling_digits": ["--model.samples", "8", "--model.batch_size", "4"],
    "search/evolution_digits": ["--model.population", "2", "--model.batch_size", "4"],
    "search/photos": [
        "--model.population", "2", "--model.batch_size", "4", "--data.image_size", "16",
        "--model.budget", "{parameters: 1000000}",
    ],
    "configs/train_photos": ["--data.image_size", "16"],
    "configs/train_digits": ["--callbacks.NTKMonitor.probe_size", "3"],
    "configs/quickstart": ["--callbacks.NTKMonitor.probe_size", "3"],
}  # fmt: skip
"""Arguments for configs that take long otherwise."""
ONE_STEP = {
    "fit": ["--trainer.fast_dev_run", "true"],
    "test": ["--trainer.limit_test_batches", "2"],
    "predict": [],
    "export": [],
}


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    number: int
    language: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [Block(page, i, language, text) for i, (language, text) in enumerate(found)]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def name_of(value: Any) -> str:
    return f"{value.page.stem}-{value.number}" if isinstance(value, Block) else value.stem


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {block.language for block in BLOCKS} <= KINDS
    fences = sum(page.read_text("utf-8").count("```") for page in PAGES)
    assert fences == 2 * len(BLOCKS)


# Commands --------------------------------------------------------------------------------------


def commands_of(block: Block, folder: Path) -> list[tuple[dict[str, str], list[str]]]:
    """(environment, words) of each call that bash makes of a stand-in."""
    record = folder / "record"
    record.touch()
    for name in STANDINS:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(STANDIN.format(name=name, end=folder / "end", record=record))
        path.chmod(0o755)
    (folder / "end").write_text("\n")
    environment = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["bash", "-eu", "-c", block.text], cwd=folder, env=environment, check=True)
    calls = []
    for line in record.read_text().splitlines():
        variable, *words = line.split("\0")[:-1]
        key, _, value = variable.partition("=")
        calls.append(({key: value} if value else {}, words))
    return calls


def arguments_of(words: list[str]) -> list[str] | None:
    """What the command line of this project gets; None for another program."""
    if words[0] == "lightning":
        return words[1:]
    for i, word in enumerate(words):
        if word == "lightning" or words[i : i + 2] == ["-m", "lightning_app"]:
            return words[i + (1 if word == "lightning" else 2) :]
    return None


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder where the commands of the pages have been run before, for one step each."""
    folder = tmp_path_factory.mktemp("before")
    random = np.random.default_rng(0)
    for name in ("1.png", *(f"{label}/{i}.png" for label in ("ash", "oak") for i in range(20))):
        path = folder / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(path)
    short = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2"]
    quiet = ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
    previous, arguments = Path.cwd(), sys.argv
    os.chdir(folder)
    sys.argv = ["lightning"]
    try:
        for name in ("quickstart", "train_digits", "train_supernet_digits", "train_photos"):
            small = SMALL.get(f"configs/{name}", [])
            small = [*small, "--model.architecture", CHAIN] if name == "train_photos" else small
            config = str(ROOT / "configs" / f"{name}.yaml")
            main(["fit", "--config", config, *small, *short, *quiet])
    finally:
        os.chdir(previous)
        sys.argv = arguments
    for name, of in (("train_digits", "quickstart"), ("train_photos", "photos")):
        config = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())
        model = config["model"]["init_args"]
        found = folder / "runs" / f"search_{of}" / "version_0" / "architecture.json"
        found.parent.mkdir(parents=True)
        space = "mobilenet" if of == "photos" else "nasbench201"
        text = {"architecture": CHAIN if of == "photos" else model["architecture"], "space": space}
        found.write_text(json.dumps(text))
    space = NasBench101Space()  # docs/spaces.md
    architecture = space.random_architecture(torch.Generator().manual_seed(0))
    found = folder / "runs" / "sampling_digits" / "version_0" / "architecture.json"
    found.parent.mkdir(parents=True)
    text = {"architecture": space.format(architecture), "space": space.name}
    found.write_text(json.dumps(text))
    cell = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"  # docs/tensorboard.md
    rounds = [{"candidates": [{"candidate": cell, "scores": {"activation_overlap": [1.0]}}]}]
    found = folder / "runs" / "evolution_digits" / "version_0" / "architecture.json"
    found.parent.mkdir(parents=True)
    found.write_text(json.dumps({"architecture": cell, "rounds": rounds}))
    return folder


@pytest.fixture
def working(
    before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unrendered: None
) -> Path:
    """A copy of it, as a checkout sees it."""
    folder = tmp_path / "working"
    subprocess.run(["cp", "-r", str(before), str(folder)], check=True)
    for name in ("configs", "docs", "tests", "Makefile"):
        (folder / name).symlink_to(ROOT / name)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["lightning"])
    return folder


def needs_no_download(arguments: list[str]) -> bool:
    config = arguments[arguments.index("--config") + 1]
    return any(word in config for word in AT_HAND) and "--trainer.num_nodes" not in arguments


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language in ("sh", "bash")], ids=lambda block: name_of(block)
)
def test_commands(
    block: Block,
    tmp_path: Path,
    working: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    called = commands_of(block, tmp_path)
    assert called
    for environment, words in called:
        monkeypatch.setattr(sys, "path", [*environment.values(), *sys.path])
        arguments = arguments_of(words)
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        elif words[0] == "pip":
            extras = re.findall(r"\[(\w+)\]", " ".join(words))
            assert all(
                f"\n{extra} = [" in (ROOT / "pyproject.toml").read_text() for extra in extras
            )
        elif arguments is None:
            assert words[0].endswith("tensorboard") or Path(words[1]).is_file()
            for flag in (word for word in words[2:] if word.startswith("--")):
                assert words[0].endswith("tensorboard") or flag in Path(words[1]).read_text()
        elif "--config" not in arguments or not needs_no_download(arguments):
            with pytest.raises(SystemExit) as exit_:
                main([*arguments, *([] if "--help" in arguments else ["--print_config"])])
            assert exit_.value.code == 0, arguments
        else:
            sizes = [more for name, more in SMALL.items() if name in " ".join(arguments)]
            # Of another kind, which takes a tenth of the time; `tests/test_export.py` has both.
            given = [word.replace(".onnx", ".pt2") for word in arguments]
            main([*given, *ONE_STEP[arguments[0]], *itertools.chain(*sizes)])


# Python and YAML ------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python(
    page: Path, working: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The blocks of a page, one after the other, in one namespace."""
    monkeypatch.syspath_prepend(ROOT / "docs" / "examples")
    modules = {"pl": pl, "torch": torch, "torchvision": torchvision}
    names: dict[str, Any] = {} if page == README else modules
    (working / "last.ckpt").symlink_to(
        working / "runs/train_digits/version_0/checkpoints/last.ckpt"
    )
    if page.stem == "photos":
        model = ArchitectureClassifier("nasbench201", SKIPS, (3, 8, 8), 2, sizes={"channels": 2})
        examples = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
        export(model, working / "photos.onnx", photos=Photos((0,), (1,), ["ash", "oak"], examples))
    for block in blocks_of(page):
        if block.language != "python":
            continue
        if ">>>" in block.text:
            parsed = doctest.DocTestParser().get_doctest(block.text, names, page.name, None, None)
            assert doctest.DocTestRunner().run(parsed, clear_globs=False).failed == 0
            names |= parsed.globs
        else:
            exec(block.text, names)
    if page == README:
        trainer = pl.Trainer(accelerator="cpu", logger=False)
        (reached,) = trainer.test(names["model"], names["data"], verbose=False)
        assert reached["test/accuracy"] > 0.9
        assert (working / "architecture.json").is_file()


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language == "yaml"], ids=lambda block: name_of(block)
)
def test_yaml(block: Block, working: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A piece of a config is read after one that it could be added to."""
    content = yaml.safe_load(block.text)
    search = "model" in content or "callbacks" in block.text
    base = "search/quickstart" if search else "quickstart"
    (working / "block.yaml").write_text(block.text)
    with pytest.raises(SystemExit) as exit_:
        main(
            ["fit", "--config", f"configs/{base}.yaml", "--config", "block.yaml", "--print_config"]
        )
    assert exit_.value.code == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    for key, value in leaves(content):
        assert (key, value) in list(leaves(shown))


def leaves(content: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """(last key, value) of everything that is no collection."""
    if isinstance(content, dict):
        for inner, value in content.items():
            yield from leaves(value, inner)
    elif isinstance(content, list):
        for value in content:
            yield from leaves(value, key)
    else:
        yield key, content
