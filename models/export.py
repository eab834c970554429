"""A trained network as one file that runs without this project."""

import copy
import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

_BATCHES = (2, 5)
"""Images to trace with, and images to check with: the batch size must not be fixed."""


def export(
    module: nn.Module, path: str | os.PathLike[str], in_shape: Sequence[int] | None = None
) -> None:
    """Write images (N, C, H, W), of any N, to logits (N, num_classes), in evaluation mode.

    The file is read back and run on another batch size; it appears, whole, only if it gives the
    module's logits.

    Args:
        module: a network, or a classifier of this project.
        path: ends in `.pt2` (for `torch.export.load`) or `.onnx` (which needs the extra `onnx`).
        in_shape: (C, H, W) of an image; a classifier of this project knows its own.

    Raises:
        ValueError: another ending, no `in_shape`, a path that cannot be written to, packages that
            are not there, outputs that differ, or logits that depend on the other images of a
            batch, as a supernet's do.
    """
    path = Path(path)
    if path.suffix not in (".pt2", ".onnx"):
        raise ValueError(f"output: expected a path that ends in .pt2 or .onnx, got {path}")
    shape = getattr(module, "hparams", {}).get("in_shape") if in_shape is None else in_shape
    if shape is None:
        raise ValueError("in_shape: expected (channels, height, width) of an image, got None")
    temporary = _reserve(path)
    network: Any = getattr(module, "network", module)
    network = copy.deepcopy(network).cpu().eval()
    random = torch.Generator().manual_seed(0)
    traced, checked = (torch.randn(n, *shape, generator=random) for n in _BATCHES)
    batch = torch.export.Dim("batch")
    try:
        with torch.no_grad():
            if not torch.allclose(network(checked)[:2], network(checked[:2]), 1e-3, 1e-3):
                raise ValueError(
                    f"output: cannot export a {type(network).__name__} whose logits of an image "
                    "depend on its batch: batch normalisation without running statistics"
                )
            program = torch.export.export(network, (traced,), dynamic_shapes=({0: batch},))
            run = (_write_pt2 if path.suffix == ".pt2" else _write_onnx)(program, temporary)
            _check(run(checked), network(checked))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


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


def _write_pt2(program: Any, path: Path) -> Callable[[Tensor], Tensor]:
    torch.export.save(program, path)
    run: Callable[[Tensor], Tensor] = torch.export.load(path).module()
    return run


def _write_onnx(program: Any, path: Path) -> Callable[[Tensor], Tensor]:
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise ValueError(
            f"output: .onnx needs {', '.join(missing)}: pip install -e '.[onnx]', or take .pt2"
        )
    import onnxruntime

    torch.onnx.export(
        program,
        f=path,
        dynamo=True,
        input_names=["images"],
        output_names=["logits"],
        external_data=False,  # one file
        verbose=False,
    )
    session = onnxruntime.InferenceSession(os.fspath(path), providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Tensor:
        return torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])

    return run


def _check(exported: Tensor, expected: Tensor) -> None:
    """Refuse outputs that differ by more than rounding in another order."""
    limit = 1e-4 * float(expected.abs().max().clamp(min=1))
    difference = float((exported - expected).abs().max())
    if exported.shape != expected.shape or not difference <= limit:
        raise ValueError(f"output: exported logits differ from the module's by {difference:.2g}")
