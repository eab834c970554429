"""Accuracy in a trained supernet as an indicator."""

import hashlib
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import is_zipfile

import torch
from torch import Tensor, nn

from models.classifiers.supernet_classifier import SupernetClassifier
from models.indicators.base import Indicator
from models.networks import Supernet
from models.spaces import SearchSpace, as_supernet_space


class SupernetAccuracy(Indicator):
    """Accuracy of an architecture's path through a trained supernet, in [0, 1]; higher is better.

    The one-shot score of Guo et al. (arXiv 1904.00420). Batch normalisation takes the statistics of
    the batch that is scored. An architecture that leaves a node without input is no path: it has no
    score (see `models.spaces.paths`).

    It needs the architecture and not a network drawn for it. So it is a `NetworkSource`: a search
    asks it for the network of an architecture, which is the one supernet under that architecture's
    mask, and has it scored like any other. No other indicator need know.

    Images of the search are training images: those that the supernet was trained on, where both
    have the same DataModule with the same split.

    Args:
        checkpoint: written by a fit of `SupernetClassifier`. Read once, here.

    Attributes:
        sha256: of the file, its first 16 digits; what a cache of scores and a resumed search tell
            supernets apart by, wherever the file lies.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a damaged file, or no checkpoint of a supernet.
    """

    name = "supernet_accuracy"
    higher_is_better = True
    needs_labels = True

    def __init__(self, checkpoint: str) -> None:
        self._path = checkpoint
        self.sha256, self._content = _read(checkpoint)
        self._supernet: Supernet | None = None

    def networks(
        self, space: SearchSpace, in_shape: Sequence[int], num_classes: int
    ) -> Callable[[Any], nn.Module]:
        """From an architecture to the supernet under its mask, which holds until the next call.

        Raises:
            ValueError: a supernet of another space, for other images, or whose weights do not fit.
        """
        trained = self._content["supernet"]
        asked = {"space": space.name, "in_shape": list(in_shape), "num_classes": num_classes}
        for key, value in asked.items():
            if trained[key] != value:
                raise ValueError(
                    f"checkpoint: {self._path} is of a supernet with {key}={trained[key]!r}, "
                    f"the search has {value!r}"
                )
        space = as_supernet_space(space, self.name)
        model = SupernetClassifier(space, in_shape, num_classes, trained["sizes"])
        try:
            model.load_state_dict(self._content["state_dict"])
        except RuntimeError as error:
            reason = str(error).splitlines()[1].strip()
            raise ValueError(f"checkpoint: weights in {self._path} do not fit: {reason}") from None
        supernet = self._supernet = model.network

        def network(architecture: Any) -> Supernet:
            supernet.mask = space.mask_of(architecture)
            return supernet

        return network

    @torch.no_grad()
    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward pass.

        Raises:
            ValueError: a network that is not from `networks`: nothing else here is trained.
            FloatingPointError: logits that are not finite.
        """
        if network is not self._supernet:
            raise ValueError(
                f"network: {self.name} scores the trained supernet only, in a search that asks "
                f"for it (SamplingSearch), got another {type(network).__name__}"
            )
        logits = network(images)
        if not logits.isfinite().all():
            raise FloatingPointError("logits are not finite: the supernet has diverged")
        return float((logits.argmax(1) == labels).double().mean())


def _read(path: str) -> tuple[str, dict[str, Any]]:
    """Identity and content of a checkpoint, its optimizer left out.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a damaged file, or no checkpoint of a supernet.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"checkpoint: no file {path}")
    raw = Path(path).read_bytes()
    try:
        if not is_zipfile(BytesIO(raw)):
            raise EOFError
        content = torch.load(BytesIO(raw), map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        # torch's reason recommends to read what cannot be trusted.
        raise ValueError(f"checkpoint: {path} is damaged, or no checkpoint") from error
    if not isinstance(content, dict) or not content.keys() >= {"supernet", "state_dict"}:
        raise ValueError(f"checkpoint: {path} is not of a SupernetClassifier")
    kept = {name: content[name] for name in ("supernet", "state_dict")}
    return hashlib.sha256(raw).hexdigest()[:16], kept
