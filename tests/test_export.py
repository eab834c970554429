"""One file that runs without this project."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from models import ArchitectureClassifier
from models.export import export

CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|none~2|"
GENOTYPE = (Path(__file__).parent / "data" / "darts_v2.txt").read_text().strip()


def cell() -> ArchitectureClassifier:
    sizes = {"channels": 4, "cells_per_stage": 1}
    return ArchitectureClassifier("nasbench201", CELL, (3, 16, 16), 5, sizes=sizes)


def darts() -> ArchitectureClassifier:
    sizes = {"channels": 2, "cells": 3, "auxiliary": True}
    return ArchitectureClassifier("darts", GENOTYPE, (3, 32, 32), 5, sizes=sizes, drop_path=0.5)


def images(model: Any, count: int = 7) -> torch.Tensor:
    return torch.randn(count, *model.hparams["in_shape"])


@pytest.mark.parametrize("make", [cell, darts])
def test_an_exported_program_gives_the_same_logits(tmp_path: Path, make: Any) -> None:
    model = make().train()
    path = tmp_path / "new" / "model.pt2"
    export(model, path)
    assert model.training
    assert [p.name for p in path.parent.iterdir()] == ["model.pt2"]
    program = torch.export.load(path).module()
    model.eval()
    for count in (1, 7):
        x = images(model, count)
        torch.testing.assert_close(program(x), model(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", [cell, darts])
def test_onnx_gives_the_same_logits(tmp_path: Path, make: Any) -> None:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package)
    runtime = pytest.importorskip("onnxruntime")
    model = make().eval()
    export(model, tmp_path / "model.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"))
    for count in (1, 7):
        x = images(model, count)
        (logits,) = session.run(["logits"], {"images": x.numpy()})
        torch.testing.assert_close(torch.from_numpy(logits), model(x), rtol=1e-4, atol=1e-4)


def test_onnx_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.export.find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"\.onnx needs onnx, onnxscript, onnxruntime: pip install"
    ):
        export(cell(), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_any_network_with_its_shape(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    export(network, tmp_path / "model.pt2", (3, 2, 2))
    with pytest.raises(ValueError, match=r"in_shape: expected \(channels, height, width\)"):
        export(network, tmp_path / "model.pt2")


def test_other_endings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"output: expected a path that ends in \.pt2 or \.onnx"):
        export(cell(), tmp_path / "model.pth")


def test_paths_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "folder.pt2").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"output: .*folder\.pt2 is a folder, expected a file"):
        export(cell(), tmp_path / "folder.pt2")
    with pytest.raises(ValueError, match=r"output: cannot write .*model\.pt2: File exists"):
        export(cell(), tmp_path / "file" / "model.pt2")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.pt2"]


def test_what_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = cell()
    load = torch.export.load
    monkeypatch.setattr("torch.export.load", lambda path: Shifted(load(path)))
    (tmp_path / "model.pt2").write_text("old")
    with pytest.raises(ValueError, match="output: exported logits differ from the module's by 1"):
        export(model, tmp_path / "model.pt2")
    assert (tmp_path / "model.pt2").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


class Shifted:
    """A program that is wrong by 1."""

    def __init__(self, program: Any) -> None:
        self.program = program.module()

    def module(self) -> Any:
        return lambda x: self.program(x) + 1
