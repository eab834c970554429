"""SynFlow: the flow of signal through all paths (Tanaka et al., arXiv 2006.05467)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from models.indicators._autograd.evaluation import evaluation, finite, layer_weights
from models.indicators._autograd.forwards import replaced_forwards
from models.indicators.base import Indicator


class SynFlow(Indicator):
    """log Σ |w · ∂R/∂w| over the weights of linear and convolution layers; higher is better.

    R is the sum of logits of one image of ones, with every parameter replaced by its magnitude, in
    float64. Batch normalisations are left out, as in zero-cost NAS (arXiv 2101.08134); the paper
    keeps them in evaluation mode. The logarithm, which keeps the order, is ours.
    """

    name = "synflow"
    higher_is_better = True

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward and one backward pass of one image, of which only the shape matters.

        Raises:
            ValueError: as `Indicator.score`, and if no path of weights leads from images to logits.
            FloatingPointError: the flow exceeds float64.
        """
        no_batch_norm: dict[nn.Module, Callable[[Tensor], Tensor]] = {
            m: _identity for m in network.modules() if isinstance(m, _BatchNorm)
        }
        with evaluation(network, images) as x, replaced_forwards(no_batch_norm):
            summed = {id(w) for w in layer_weights(network)}
            state: dict[str, Tensor] = {
                name: b.abs().double() if b.is_floating_point() else b
                for name, b in network.named_buffers()
            }
            weights: list[Tensor] = []
            for name, p in network.named_parameters():
                state[name] = p.detach().abs().double()
                if id(p) in summed:
                    weights.append(state[name].requires_grad_())
            R = functional_call(network, state, (torch.ones_like(x[:1], dtype=torch.float64),))
            gradients = torch.autograd.grad(R.sum(), weights, allow_unused=True)
            pairs = zip(weights, gradients, strict=True)
            flows = [(w.detach() * g).abs().sum() for w, g in pairs if g is not None]
            flow = float(torch.stack(flows).sum()) if flows else 0.0
        if flow == 0:
            raise ValueError("network has no path of weights from images to logits: its flow is 0")
        return finite(torch.tensor(flow, dtype=torch.float64).log(), self.name)


def _identity(x: Tensor) -> Tensor:
    return x
