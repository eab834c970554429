"""ZiCo: inverse coefficient of variation of the gradients (Li et al., arXiv 2301.11300)."""

import torch
from torch import Tensor, nn

from models.indicators._autograd.evaluation import (
    cross_entropy,
    evaluation,
    finite,
    layer_weights,
    logits_of,
    used_gradients,
)
from models.indicators.base import Indicator

_ROUNDING = 8  # ε of the network's precision, times the largest gradient of a layer


class ZiCo(Indicator):
    """Σ_l log Σ_{w∈l} mean|g_w| / std(g_w) over linear and convolution layers; higher is better.

    Mean and standard deviation are over the gradients of the cross-entropy of `batches` parts of
    the batch. As in the paper's code, the deviation is divided by the number of parts, and weights
    of deviation 0 and layers without others are left out. A deviation within rounding of the
    layer's largest gradient is 0: what rounding leaves differs between kernels.

    Args:
        batches: parts of equal size, up to one image; the paper's code takes 2.

    Raises:
        ValueError: fewer than two parts.
    """

    name = "zico"
    higher_is_better = True
    needs_labels = True

    def __init__(self, batches: int = 2) -> None:
        if batches < 2:
            raise ValueError(f"batches must be at least 2, given {batches}")
        self.batches = batches

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward and one backward pass per part.

        Raises:
            ValueError: as `Indicator.score`, for fewer images than parts, and if no gradient
                varies.
            FloatingPointError: the gradients are not finite.
        """
        if len(images) < self.batches:
            raise ValueError(
                f"images must number at least batches={self.batches}, given {len(images)}"
            )
        gradients: dict[Tensor, list[Tensor]] = {}
        with evaluation(network, images) as x:
            weights = layer_weights(network)
            parts = (torch.tensor_split(z, self.batches) for z in (x, labels))
            for images_b, labels_b in zip(*parts, strict=True):
                loss = cross_entropy(logits_of(network, images_b), labels_b)
                for w, g in used_gradients(loss, weights):
                    gradients.setdefault(w, []).append(g.flatten())
        layers = []
        for rows in gradients.values():
            G = torch.stack(rows)
            rounding = _ROUNDING * torch.finfo(G.dtype).eps
            G = G.double()
            std = G.std(0, correction=0)
            varies = std > rounding * G.abs().max()
            ratios = torch.where(varies, G.abs().mean(0) / std, 0.0)
            # a product with 0 is 0, or NaN where a gradient is not finite
            layers.append(ratios.sum() + 0 * G.sum())
        sums = torch.stack(layers).cpu() if layers else torch.empty(0)
        if not torch.isfinite(sums).all():
            raise FloatingPointError("gradients are not finite")
        if not sums.any():
            raise ValueError("network has no weight whose gradient varies between the parts")
        return finite(sums[sums > 0].log().sum(), self.name)
