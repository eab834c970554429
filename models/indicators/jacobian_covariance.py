"""Jacobian covariance: how alike local linear maps are (Mellor et al., arXiv 2006.04647v1)."""

import torch
from torch import Tensor, nn

from models.indicators._autograd.evaluation import evaluation, finite, logits_of
from models.indicators.base import Indicator


class JacobianCovariance(Indicator):
    """−Σ_i [log(λ_i + k) + 1/(λ_i + k)], k = 10⁻⁵; higher is better.

    λ are the eigenvalues of the N×N correlations, over the entries of an image, between the
    gradients of the sum of logits by the N images. Where the network normalises by the batch, that
    sum is over the batch, as in the paper's code.
    """

    name = "jacobian_covariance"
    higher_is_better = True

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward and one backward pass, and the spectrum of an N×N matrix in float64.

        Raises:
            ValueError: as `Indicator.score`, and if the gradient by an image is constant, so that
                it correlates with nothing.
            FloatingPointError: the gradients are not finite.
        """
        with evaluation(network, images) as x:
            x.requires_grad_()
            (J,) = torch.autograd.grad(logits_of(network, x).sum(), [x], materialize_grads=True)
        if not torch.isfinite(J).all():
            raise FloatingPointError("gradient by the images is not finite")
        J = J.flatten(1).double()
        J = J - J.mean(1, keepdim=True)
        norms = J.norm(dim=1)
        if (norms == 0).any():
            raise ValueError(
                f"network's gradient by {int((norms == 0).sum())} of {len(J)} images is constant "
                "over the image: it has no correlations"
            )
        J /= norms[:, None]
        v = torch.linalg.eigvalsh(J @ J.T).clamp(min=0) + 1e-5
        return finite(-(v.log() + 1 / v).sum(), self.name)
