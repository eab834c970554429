"""AZ-NAS: traits of the features between a network's blocks (Lee & Ham, arXiv 2403.19232).

Its fourth part, complexity, is `Flops`. Features are those that enter the first block and that
leave every block, maps (N, C, H, W) or tokens (N, T, C); the paper initialises networks by He's
fan-in.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, pixel_unshuffle

from models.indicators._autograd.blocks import block_features
from models.indicators._autograd.evaluation import evaluation, finite
from models.indicators.base import Indicator
from models.indicators.shared import offer, once


class Expressivity(Indicator):
    """Σ_l H_l, H_l the entropy of the normalised PCA spectrum of features l; higher is better.

    The spectrum is that of the covariance of channels over images and positions.

    Args:
        blocks: name of the network's Sequential or ModuleList of blocks; by default `stages`,
            `cells` or `blocks`.
    """

    name = "expressivity"
    higher_is_better = True
    shares = True

    def __init__(self, blocks: str | None = None) -> None:
        self.blocks = blocks

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward pass, without gradients.

        Raises:
            ValueError: as `Indicator.score`, for a network without such blocks, and for constant
                features; names the block.
            FloatingPointError: the features are not finite.
        """
        return finite(_entropies(network, images, self.blocks).sum(), self.name)


class Progressivity(Indicator):
    """min_l (H_l − H_{l−1}), H_l as in `Expressivity`; higher is better.

    Args:
        blocks: name of the network's Sequential or ModuleList of blocks; by default `stages`,
            `cells` or `blocks`.
    """

    name = "progressivity"
    higher_is_better = True
    shares = True

    def __init__(self, blocks: str | None = None) -> None:
        self.blocks = blocks

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward pass, without gradients. Raises as `Expressivity.score`."""
        return finite(_entropies(network, images, self.blocks).diff().min(), self.name)


class Trainability(Indicator):
    """Mean over blocks of 2 − σ − 1/σ, at most 0; higher is better.

    σ estimates the spectral norm of a block's Jacobian at one position, channels to channels:
    that of the mean of g_in g_outᵀ, where g_out are random signs and g_in their product with the
    Jacobian. Where a block reduces the size, g_in's pixels are folded into its channels. The
    paper's code gives −∞ to a block that is the identity; here both this and a block without
    gradient are errors.

    Args:
        blocks: name of the network's Sequential or ModuleList of blocks; by default `stages`,
            `cells` or `blocks`.
        seed: of the random signs, the same for every network.
    """

    name = "trainability"
    higher_is_better = True
    shares = True

    def __init__(self, blocks: str | None = None, seed: int = 0) -> None:
        self.blocks = blocks
        self.seed = seed

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward and one backward pass.

        Raises:
            ValueError: as `Indicator.score`, for a network without such blocks, and for a block
                that is the identity or passes no gradient; names it.
            FloatingPointError: a gradient is not finite.
        """
        generator = torch.Generator().manual_seed(self.seed)
        terms = []
        with evaluation(network, images) as x:
            features = offer(
                ("features", network, images, self.blocks),
                lambda: block_features(network, x.requires_grad_(), self.blocks)[0],
                # a graph needs memory, and buffers that this evaluation puts back
                lambda features: [f.detach() for f in features],
            )
            for block, (f_in, f_out) in enumerate(pairwise(features)):
                signs = torch.randint(2, f_out.shape, generator=generator, dtype=torch.int8)
                g_out = signs.to(f_out).mul_(2).sub_(1)
                (g_in,) = torch.autograd.grad(
                    f_out, [f_in], g_out, retain_graph=True, materialize_grads=True
                )
                if g_in.shape == g_out.shape and torch.equal(g_in, g_out):
                    raise ValueError(f"block {block} is the identity: it has nothing to train")
                sigma = _spectral_norm(g_in, g_out, block)
                if sigma == 0:
                    raise ValueError(f"block {block} passes no gradient")
                terms.append(2 - sigma - 1 / sigma)
        return finite(sum(terms) / len(terms), self.name)


def _entropies(network: nn.Module, images: Tensor, blocks: str | None) -> Tensor:
    """H_l of all features, float64."""

    def compute() -> Tensor:
        with evaluation(network, images) as x, torch.no_grad():
            features = once(
                ("features", network, images, blocks),
                lambda: block_features(network, x, blocks)[0],
            )
            return torch.stack([_entropy(f, i) for i, f in enumerate(features)])

    return once(("entropies", network, images, blocks), compute)


def _entropy(features: Tensor, index: int) -> Tensor:
    """Entropy of the spectrum of the covariance of channels of maps, tokens or vectors."""
    X = _by_channel(features)
    X = X - X.mean((0, 2), keepdim=True)
    covariance = (X @ X.mT).sum(0, dtype=torch.float64).cpu()  # small: kernels would cost more
    if not torch.isfinite(covariance).all():
        raise FloatingPointError(f"features {index} are not finite")
    eigenvalues = torch.linalg.eigvalsh(covariance).clamp(min=0)
    total = eigenvalues.sum()
    if total == 0:
        raise ValueError(f"features {index} (0: those that enter the first block) are constant")
    entropy: Tensor = torch.special.entr(eigenvalues / total).sum()
    return entropy


def _by_channel(features: Tensor) -> Tensor:
    """Maps (N, C, H, W), tokens (N, T, C) or vectors (N, C) as (N, C, positions)."""
    if features.ndim == 3:
        return features.mT
    return features.flatten(2) if features.ndim > 2 else features[..., None]


def _spectral_norm(g_in: Tensor, g_out: Tensor, block: int) -> float:
    """Of the mean over images and positions of g_in g_outᵀ."""
    if g_in.ndim == 4 and g_in.shape[2:] != g_out.shape[2:]:
        ratio, *others = {-(-a // b) for a, b in zip(g_in.shape[2:], g_out.shape[2:], strict=True)}
        if others:
            raise ValueError(
                f"block {block} must divide height and width by one whole number, "
                f"turns {tuple(g_in.shape[2:])} into {tuple(g_out.shape[2:])}"
            )
        bottom, right = (-size % ratio for size in g_in.shape[2:])
        g_in = pixel_unshuffle(pad(g_in, (0, right, 0, bottom)), ratio)
    A, B = _by_channel(g_in), _by_channel(g_out)
    mean = (A @ B.mT).sum(0, dtype=torch.float64).cpu() / (len(B) * B.shape[2])
    if not torch.isfinite(mean).all():
        raise FloatingPointError(f"block {block}: gradient is not finite")
    return float(torch.linalg.matrix_norm(mean, ord=2))
