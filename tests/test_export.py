"""One file that runs without this project."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from models import ArchitectureClassifier
from models.export import Photos, export
from models.spaces import as_space

CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|none~2|"
GENOTYPE = (Path(__file__).parent / "data" / "darts_v2.txt").read_text().strip()


def cell() -> ArchitectureClassifier:
    sizes = {"channels": 4, "cells_per_stage": 1}
    return ArchitectureClassifier("nasbench201", CELL, (3, 16, 16), 5, sizes=sizes)


def darts() -> ArchitectureClassifier:
    sizes = {"channels": 2, "cells": 3, "auxiliary": True}
    return ArchitectureClassifier("darts", GENOTYPE, (3, 32, 32), 5, sizes=sizes, drop_path=0.5)


SPACES = {
    "nasbench201": {"channels": 4, "cells_per_stage": 1},
    "transnas_micro": {"channels": 4, "cells_per_layer": 1, "stem_stride": 1},
    "nasbench101": {"channels": 4, "modules_per_stack": 1},
    "darts": {"channels": 4, "cells": 3},
    **{f"nds_{name}": {"channels": 4, "cells": 3} for name in ("nasnet", "amoeba", "pnas", "enas")},
    "mobilenet": {"reduction": 8},
    "vision_transformer": {"image_size": 32},
}
"""Spaces that train, with the sizes of a tiny network."""


def drawn(name: str) -> ArchitectureClassifier:
    """A random architecture; batch statistics are not those of the initialisation."""
    space = as_space(name)
    text = space.format(space.random_architecture(torch.Generator().manual_seed(3)))
    model = ArchitectureClassifier(name, text, (3, 32, 32), 5, sizes=SPACES[name])
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # statistics of all batches alike
            module.reset_running_stats()
    with torch.no_grad():
        for _ in range(3):
            model.network(3 * torch.randn(8, 3, 32, 32) + 1)
    return model.eval()


def images(model: Any, count: int = 7) -> torch.Tensor:
    return torch.randn(count, *model.hparams["in_shape"])


@pytest.mark.parametrize("make", [cell, pytest.param(darts, marks=pytest.mark.slow)])
def test_an_exported_program_gives_the_same_logits(tmp_path: Path, make: Any) -> None:
    model = make().train()
    path = tmp_path / "model.pt2"
    export(model, path)
    assert model.training
    assert [p.name for p in path.parent.iterdir()] == ["model.pt2"]
    program = torch.export.load(path).module()
    model.eval()
    for count in (1, 7):
        x = images(model, count)
        torch.testing.assert_close(program(x), model(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", [cell, pytest.param(darts, marks=pytest.mark.slow)])
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


def photos(model: ArchitectureClassifier, count: int = 9) -> Photos:
    random = torch.Generator().manual_seed(0)
    shape = model.hparams["in_shape"]
    colours = torch.randint(256, (count, shape[0], 1, 1), generator=random)  # an average tells them
    examples = (colours + torch.randint(256, (count, *shape), generator=random)) // 2
    names = ["ash", "birch", "élm", "fir", "oak"]
    return Photos((0.5, 0.4, 0.3), (0.2, 0.3, 0.2), names, examples.to(torch.uint8))


def test_a_file_for_photos(tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package)
    runtime = pytest.importorskip("onnxruntime")
    model = cell().eval()
    given = photos(model)
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (given.mean, given.std))
    expected = model((given.examples / 255 - mean) / std).softmax(1)
    written = export(model, tmp_path / "model.onnx", photos=given)
    assert written.bytes == (tmp_path / "model.onnx").stat().st_size
    assert written.milliseconds > 0
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"))
    (found,) = session.run(None, {"photos": given.examples.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-5)
    assert b".py" not in (tmp_path / "model.onnx").read_bytes()  # nothing of where it was made
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["classes"]) == given.classes
    assert json.loads(metadata["in_shape"]) == [3, 16, 16]
    assert metadata["architecture"] == CELL
    export(model, tmp_path / "model.pt2", photos=given)
    extra = {"metadata.json": ""}
    program = torch.export.load(tmp_path / "model.pt2", extra_files=extra).module()
    torch.testing.assert_close(program(given.examples), expected, rtol=1e-4, atol=1e-5)
    assert json.loads(extra["metadata.json"]) == metadata


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_photos_through_onnx_in_every_space(tmp_path: Path, name: str) -> None:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package)
    runtime = pytest.importorskip("onnxruntime")
    model = drawn(name)
    given = photos(model, 64)
    export(model, tmp_path / "model.onnx", photos=given)
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"))
    (found,) = session.run(None, {"photos": given.examples.numpy()})
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (given.mean, given.std))
    with torch.no_grad():
        expected = model((given.examples / 255 - mean) / std).softmax(1)
    assert expected.std(0).max() > 1e-4  # says something of the images
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=0, atol=1e-4)


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
    with pytest.raises(ValueError, match=r"output: cannot write .*model\.pt2: Not a directory"):
        export(cell(), tmp_path / "file" / "model.pt2")
    with pytest.raises(ValueError, match=r"output: cannot write .*pt2: No such file or directory"):
        export(cell(), tmp_path / "mistyped" / "model.pt2")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.pt2"]


def test_what_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = cell()
    load = torch.export.load
    monkeypatch.setattr("torch.export.load", lambda path: Shifted(load(path)))
    (tmp_path / "model.pt2").write_text("old")
    with pytest.raises(ValueError, match="output: exported outputs differ from the module's by 1"):
        export(model, tmp_path / "model.pt2")
    assert (tmp_path / "model.pt2").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


class Shifted:
    """A program that is wrong by 1."""

    def __init__(self, program: Any) -> None:
        self.program = program.module()

    def module(self) -> Any:
        return lambda x: self.program(x) + 1
