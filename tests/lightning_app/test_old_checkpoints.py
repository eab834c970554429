"""Checkpoints written before files were moved into rooms still load and go on."""

import json
import lzma
from pathlib import Path

import pytest
import torch

from lightning_app.cli import main
from models.search.base import public_path

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
SEARCHES = {
    "pruning": [
        "search/quickstart.yaml",
        *("--model.batch_size", "8", "--model.supernet", "{channels: 1}"),
    ],
    "sampling": [
        "search/sampling_digits.yaml",
        *("--model.samples", "60", "--model.block_size", "4"),
    ],
}


def old(kind: str) -> str:
    content = lzma.decompress((ROOT / "tests" / "data" / "old" / f"{kind}.ckpt.xz").read_bytes())
    Path("old.ckpt").write_bytes(content)
    return "old.ckpt"


@pytest.mark.usefixtures("command_line")
@pytest.mark.parametrize("kind", SEARCHES)
def test_a_search_goes_on_to_its_end(kind: str) -> None:
    config, *settings = SEARCHES[kind]
    path = old(kind)
    rounds = torch.load(path, weights_only=True)["search"]["rounds"]
    run = ["fit", "--config", str(CONFIGS / config), *settings]
    main([*run, "--trainer.enable_progress_bar", "false", "--ckpt_path", path])
    (file,) = Path("runs").rglob("architecture.json")
    found = json.loads(file.read_text())
    assert found["architecture"].startswith("|")
    (last,) = Path("runs").rglob("last.ckpt")
    content = torch.load(last, weights_only=True)
    assert content["search"]["rounds"][: len(rounds)] == rounds
    assert len(content["search"]["rounds"]) > len(rounds)
    name = {"pruning": "models.PruningSearch", "sampling": "models.SamplingSearch"}[kind]
    assert content["hyper_parameters"]["_class_path"] == name


@pytest.mark.usefixtures("command_line")
def test_a_classifier_is_tested(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = ["--trainer.logger", "false", "--trainer.callbacks", "null"]
    config = str(CONFIGS / "quickstart.yaml")  # of width 64; the checkpoint's is 4
    main(["test", "--config", config, *quiet, "--ckpt_path", old("classifier")])
    assert "test/accuracy" in capsys.readouterr().out


def test_a_class_without_a_shorter_path_keeps_its_own() -> None:
    assert public_path(SearchOfOnesOwn) == f"{__name__}.SearchOfOnesOwn"


class SearchOfOnesOwn: ...
