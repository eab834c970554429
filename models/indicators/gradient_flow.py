"""Norm of the gradient that reaches the beginning of a network."""

import torch
from torch import Tensor, nn

from models.indicators._autograd.blocks import block_features
from models.indicators._autograd.checks import check_outputs
from models.indicators._autograd.evaluation import cross_entropy, evaluation, finite
from models.indicators.base import Indicator


class GradientFlow(Indicator):
    """log ‖∂L/∂f‖, f what enters the first block, L the mean cross-entropy; higher is better.

    A measure of our own: the norm falls where a network's blocks let gradients vanish.

    Args:
        blocks: name of the network's Sequential or ModuleList of blocks; by default `stages`,
            `cells` or `blocks`.
    """

    name = "gradient_flow"
    higher_is_better = True
    needs_labels = True

    def __init__(self, blocks: str | None = None) -> None:
        self.blocks = blocks

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward and one backward pass.

        Raises:
            ValueError: as `Indicator.score`, for a network without such blocks, and if no gradient
                comes through.
            FloatingPointError: the gradient is not finite.
        """
        with evaluation(network, images) as x:
            features, logits = block_features(network, x.requires_grad_(), self.blocks)
            check_outputs(logits, len(x))
            loss = cross_entropy(logits, labels)
            (g,) = torch.autograd.grad(loss, features[:1], materialize_grads=True)
        norm = g.double().norm()
        if norm == 0:
            raise ValueError("network passes no gradient to its first block")
        return finite(norm.log(), self.name)
