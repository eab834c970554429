"""A trained network as one file that runs without this project."""

import copy
import json
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.benchmark import Timer

_BATCHES = (2, 5)
"""Images to trace with, and images to check with: the batch size must not be fixed."""
_CHECKED = 64


class Photos(NamedTuple):
    """What a network was trained on, for a file that takes photos."""

    mean: Sequence[float]
    """Per channel, of pixels in [0, 1]."""
    std: Sequence[float]
    classes: Sequence[str]
    """Names by label; may be empty."""
    examples: Tensor
    """uint8 (N, C, H, W), for which the file is checked to give the module's answers."""


class Exported(NamedTuple):
    """A file that was written and checked."""

    bytes: int
    milliseconds: float
    """Median time of the file's program for one image, on one thread of this machine's CPU."""


class PhotoClassifier(nn.Module):
    """Photos, uint8 (N, C, H, W), to class probabilities (N, classes).

    Args:
        network: normalised images to logits.
        mean: per channel, of pixels in [0, 1].
        std: likewise.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        m, s = (torch.tensor(v, dtype=torch.float64).view(-1, 1, 1) for v in (mean, std))
        self.register_buffer("scale", (1 / (255 * s)).float())
        self.register_buffer("shift", (-m / s).float())

    def forward(self, photos: Tensor) -> Tensor:
        """Normalise, classify, and turn logits into probabilities."""
        logits: Tensor = self.network(photos.to(self.scale.dtype) * self.scale + self.shift)
        return logits.softmax(1)


def export(
    module: nn.Module,
    path: str | os.PathLike[str],
    in_shape: Sequence[int] | None = None,
    photos: Photos | None = None,
) -> Exported:
    """Write images (N, C, H, W), of any N, to what a network makes of them, in evaluation mode.

    With `photos` the file takes uint8 photos of the network's size and gives class probabilities:
    normalisation is inside. Without, it takes normalised images and gives logits. Names of classes,
    the size of an image and this project's version are in its metadata: as `metadata_props` of an
    ONNX file, as the extra file `metadata.json` of a .pt2 file.

    The file is read back and run on another batch size and on the examples; it appears, whole, only
    if it gives the module's answers.

    Args:
        module: a network, or a classifier of this project.
        path: ends in `.pt2` (for `torch.export.load`) or `.onnx` (which needs the extra `onnx`).
        in_shape: (C, H, W) of an image; a classifier of this project knows its own.
        photos: how photos become the images that the network was trained on.

    Raises:
        ValueError: another ending, no `in_shape`, a path that cannot be written to, packages that
            are not there, outputs that differ, or logits that depend on the other images of a
            batch, as a supernet's do.
    """
    path = Path(path)
    if path.suffix not in (".pt2", ".onnx"):
        raise ValueError(f"output: expected a path that ends in .pt2 or .onnx, got {path}")
    arguments: Mapping[str, Any] = getattr(module, "hparams", {})
    shape = arguments.get("in_shape") if in_shape is None else in_shape
    if shape is None:
        raise ValueError("in_shape: expected (channels, height, width) of an image, got None")
    temporary = _reserve(path)
    network: Any = copy.deepcopy(getattr(module, "network", module)).cpu().eval()
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        traced, checked = (torch.randn(n, *shape, generator=random) for n in _BATCHES)
        try:
            if not torch.allclose(network(checked)[:2], network(checked[:2]), 1e-3, 1e-3):
                raise ValueError(
                    f"output: cannot export a {type(network).__name__} whose logits of an image "
                    "depend on its batch: batch normalisation without running statistics"
                )
            if photos is not None:
                network = PhotoClassifier(network, photos.mean, photos.std).eval()
                checked = photos.examples[:_CHECKED].cpu()
                traced = checked[:1].expand(_BATCHES[0], *shape).contiguous()
            program = torch.export.export(
                network, (traced,), dynamic_shapes=({0: torch.export.Dim("batch")},)
            )
            metadata = _metadata(shape, arguments, photos)
            names = ("images", "logits") if photos is None else ("photos", "probabilities")
            write = _write_pt2 if path.suffix == ".pt2" else _write_onnx
            run = write(program, temporary, metadata, names)
            for batch in (checked, checked[:1]):
                _check(run(batch), network(batch))
            exported = Exported(temporary.stat().st_size, _milliseconds(run, checked[:1]))
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    return exported


def _metadata(
    shape: Sequence[int], arguments: Mapping[str, Any], photos: Photos | None
) -> dict[str, str]:
    """Describe a file; values are texts, lists as JSON."""
    metadata = {
        "version": f"architecture-convergence {version('architecture-convergence')}",
        "in_shape": json.dumps(list(shape)),
    }
    for name in ("space", "architecture"):
        if isinstance(arguments.get(name), str):
            metadata[name] = arguments[name]
    if photos is not None:
        metadata["classes"] = json.dumps(list(photos.classes), ensure_ascii=False)
    return metadata


def _reserve(path: Path) -> Path:
    """A temporary file beside `path`; made first, since tracing takes its time."""
    if path.is_dir():
        raise ValueError(f"output: {path} is a folder, expected a file")
    temporary = path.with_name(f".{path.stem}.tmp{path.suffix}")
    try:
        temporary.touch()
    except OSError as error:
        raise ValueError(f"output: cannot write {path}: {error.strerror}") from error
    return temporary


def _write_pt2(
    program: Any, path: Path, metadata: dict[str, str], names: tuple[str, str]
) -> Callable[[Tensor], Tensor]:
    torch.export.save(program, path, extra_files={"metadata.json": json.dumps(metadata)})
    run: Callable[[Tensor], Tensor] = torch.export.load(path).module()
    return run


def _write_onnx(
    program: Any, path: Path, metadata: dict[str, str], names: tuple[str, str]
) -> Callable[[Tensor], Tensor]:
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise ValueError(
            f"output: .onnx needs {', '.join(missing)}: pip install -e '.[onnx]', or take .pt2"
        )
    import onnxruntime

    taken, given = names
    written = torch.onnx.export(
        program,
        dynamo=True,
        input_names=[taken],
        output_names=[given],
        verbose=False,
    )
    assert written is not None  # with dynamo=True
    written.model.metadata_props.update(metadata)
    for node in written.model.graph:  # where each came from, in whose source
        node.metadata_props.clear()
    written.save(path, external_data=False)  # one file
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        os.fspath(path), options, providers=["CPUExecutionProvider"]
    )

    def run(images: Tensor) -> Tensor:
        return torch.from_numpy(session.run([given], {taken: images.numpy()})[0])

    return run


def _check(exported: Tensor, expected: Tensor) -> None:
    """Refuse outputs that differ by more than rounding in another order."""
    limit = 1e-4 * float(expected.abs().max().clamp(min=1))
    difference = float((exported - expected).abs().max())
    if exported.shape != expected.shape or not difference <= limit:
        raise ValueError(f"output: exported outputs differ from the module's by {difference:.2g}")


def _milliseconds(run: Callable[[Tensor], Tensor], image: Tensor) -> float:
    timer = Timer("run(image)", globals={"run": run, "image": image}, num_threads=1)
    return 1000 * timer.blocked_autorange(min_run_time=0.2).median
