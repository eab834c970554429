"""MeCo: minimum eigenvalue of correlation (Jiang et al., NeurIPS 2023)."""

import torch
from torch import Tensor, nn

from models.indicators._autograd.evaluation import evaluation, finite
from models.indicators.base import Indicator


class MeCo(Indicator):
    """Σ_i λ_min(P(f_i)), f_i the outputs of all modules on an image of noise; higher is better.

    P holds the Pearson correlations of the c channels of f_i over its pixels. A constant channel
    correlates with nothing, and c channels of c pixels or fewer are dependent: λ_min = 0. As in the
    paper's code, a block counts beside the layers that it is made of. Of several images the
    first is looked at.

    Args:
        channels: ξ of the paper's MeCo_opt: Σ_i c_i/ξ · λ_min of ξ channels drawn at random, so
            that wide and narrow networks can be compared (the paper takes 8); all where there are
            fewer. By default all channels of every output, without the factor.
        seed: of the draw, the same for every network.

    Raises:
        ValueError: fewer than two channels.
    """

    name = "meco"
    higher_is_better = True
    inputs = "noise"

    def __init__(self, channels: int | None = None, seed: int = 0) -> None:
        if channels is not None and channels < 2:
            raise ValueError(f"channels must be at least 2, given {channels}")
        self.channels = channels
        self.seed = seed

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward pass of one image, without gradients.

        Raises:
            ValueError: as `Indicator.score`, for a network without feature maps (N, C, H, W), and
                for layers on tokens, whose channels it does not correlate; `Near` scores those.
            FloatingPointError: a feature map is not finite.
        """
        generator = torch.Generator().manual_seed(self.seed)
        found: dict[int, list[tuple[Tensor, float]]] = {}

        def correlate(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
            if isinstance(module, nn.Linear) and output.ndim > 2:
                raise ValueError(
                    f"network works on tokens, its {type(module).__name__} returns "
                    f"{tuple(output.shape)}: MeCo scores feature maps (N, C, H, W); Near scores it"
                )
            if isinstance(output, Tensor) and output.ndim == 4:
                F, factor = output[0].flatten(1), 1.0
                c = len(F)
                if self.channels is not None and c > self.channels:
                    drawn = torch.randperm(c, generator=generator)[: self.channels]
                    F, factor = F[drawn.to(F.device)], c / self.channels
                found.setdefault(len(F), []).append((_correlations(F), factor))

        with evaluation(network, images, fast=False) as x, torch.no_grad():
            handles = [module.register_forward_hook(correlate) for module in network.modules()]
            try:
                network(x[:1])
            finally:
                for handle in handles:
                    handle.remove()
        if not found:
            raise ValueError(
                "network has no feature maps (N, C, H, W), whose channels MeCo correlates; "
                "Near scores networks of linear layers"
            )
        score = 0.0
        for same_size in found.values():
            P = torch.stack([matrix for matrix, _ in same_size]).cpu()
            if not torch.isfinite(P).all():
                raise FloatingPointError("a feature map is not finite")
            factors = torch.tensor([factor for _, factor in same_size], dtype=torch.float64)
            score += float(factors @ torch.linalg.eigvalsh(P)[:, 0].clamp(min=0))
        return finite(score, self.name)


def _correlations(F: Tensor) -> Tensor:
    """Pearson correlations of the rows of F, float64; 0 for a constant row, with itself too."""
    F = F.double()
    centred = F - F.mean(1, keepdim=True)
    norms = centred.norm(dim=1, keepdim=True)
    rounding = torch.finfo(torch.float64).eps * F.norm(dim=1, keepdim=True)
    # NaN stays NaN
    centred = torch.where(norms <= 8 * rounding, 0.0, centred / norms)
    return centred @ centred.T
