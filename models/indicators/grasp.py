"""GraSP: the effect on the gradient's norm of removing each weight (Wang et al., 2002.07376)."""

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


class Grasp(Indicator):
    """−wᵀHg over the weights w of linear and convolution layers; higher is better.

    g and H are gradient and Hessian of the mean cross-entropy at temperature 1. The paper divides
    the logits by 200 and takes a batch per class; sum, sign and temperature are those of zero-cost
    NAS (arXiv 2101.08134, §3.2).
    """

    name = "grasp"
    higher_is_better = True
    needs_labels = True

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward and a twice differentiated backward pass.

        Raises:
            ValueError: as `Indicator.score`.
            FloatingPointError: the gradients are not finite.
        """
        with evaluation(network, images, fast=False) as x:
            loss = cross_entropy(logits_of(network, x), labels)
            used = used_gradients(loss, layer_weights(network), create_graph=True)
            squared_norm = torch.stack([(g.detach() * g).sum() for _, g in used]).sum()
            products = used_gradients(squared_norm, [w for w, _ in used])
            total = sum((w.detach() * Hg).sum().double() for w, Hg in products)
        return finite(-total, self.name)
