"""SNIP: the effect on the loss of removing each weight (Lee et al., arXiv 1810.02340)."""

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


class Snip(Indicator):
    """Σ |w · ∂L/∂w| over the weights of linear and convolution layers; higher is better.

    L is the mean cross-entropy. The paper normalises per weight to prune; the sum as a score of the
    network is that of zero-cost NAS (arXiv 2101.08134, §3.2).
    """

    name = "snip"
    higher_is_better = True
    needs_labels = True

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward and one backward pass.

        Raises:
            ValueError: as `Indicator.score`.
            FloatingPointError: the gradients are not finite.
        """
        with evaluation(network, images) as x:
            loss = cross_entropy(logits_of(network, x), labels)
            used = used_gradients(loss, layer_weights(network))
            total = sum((w.detach() * g).abs().sum().double() for w, g in used)
        return finite(total, self.name)
