"""NEAR: network expressivity by activation rank (Husistein et al., arXiv 2408.08776)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from models.indicators._autograd.evaluation import evaluation, finite, weighted_layers
from models.indicators.base import Indicator

_ACTIVATIONS = tuple(getattr(nn, name) for name in nn.modules.activation.__all__)
_CHANNELS_LAST = (nn.Linear, nn.Bilinear, nn.LayerNorm, nn.RMSNorm, nn.Embedding)


class Near(Indicator):
    """Σ_l erank(Z_l) + erank(H_l), mean over `repeats` initialisations; higher is better.

    Z_l is the output of a module with weights (normalisations too), H_l of an activation module:
    pixels, or tokens, of all images as rows, channels as columns, of which as many consecutive rows
    as there are columns are taken at a random place. With its singular values σ, p = σ/Σσ, the
    effective rank is erank = exp(−Σ p log p); 0 for a matrix of zeros. Activations need be no ReLU,
    but modules: those of `nn.functional` cannot be seen.

    Args:
        repeats: initialisations: the network's own weights, and what `reset_parameters` of its
            modules draws; parameters of modules without that method stay.
        seed: of rows and weights, the same for every network.

    Raises:
        ValueError: no initialisation.
    """

    name = "near"
    higher_is_better = True

    def __init__(self, repeats: int = 4, seed: int = 0) -> None:
        if repeats < 1:
            raise ValueError(f"repeats must be at least 1, given {repeats}")
        self.repeats = repeats
        self.seed = seed

    def score(self, network: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One forward pass per initialisation, without gradients.

        Raises:
            ValueError: as `Indicator.score`, and for a network without such modules, or with a
                weight that is computed from others, which cannot be drawn anew; names it.
            FloatingPointError: an output is not finite.
        """
        weighted_layers(network)  # refuses weights that are computed
        generator = torch.Generator().manual_seed(self.seed)
        found: dict[torch.Size, list[Tensor]] = {}
        with evaluation(network, images, fast=False) as x, torch.no_grad(), _restored(network):
            for repeat in range(self.repeats):
                if repeat > 0:
                    torch.manual_seed(self.seed + repeat)
                    for module in network.modules():
                        if callable(reset := getattr(module, "reset_parameters", None)):
                            reset()
                for rows in _outputs(network, x, generator):
                    found.setdefault(rows.shape, []).append(rows)
        if not found:
            raise ValueError("network has no trainable layer and no activation module")
        score = 0.0
        for matrices in found.values():
            A = torch.stack(matrices).cpu().double()
            if not torch.isfinite(A).all():
                raise FloatingPointError("network's outputs are not finite")
            score += float(_effective_ranks(A).sum())
        return finite(score / self.repeats, self.name)


def _outputs(network: nn.Module, x: Tensor, generator: torch.Generator) -> list[Tensor]:
    """Consecutive rows, at most as many as columns, of each output of a forward pass."""
    found: list[Tensor] = []
    channels_last = False  # an activation keeps the layout of what it follows

    def read(module: nn.Module, _: tuple[Tensor, ...], output: Tensor | tuple[Tensor, ...]) -> None:
        nonlocal channels_last
        if not isinstance(module, _ACTIVATIONS):
            channels_last = isinstance(module, _CHANNELS_LAST)
        y = output[0] if isinstance(output, tuple) else output
        # attention has tokens, whatever it follows
        last = channels_last or isinstance(module, nn.MultiheadAttention)
        shape = (len(y), -1, y.shape[-1]) if last else (*y.shape[:2], -1)
        features = y.reshape(shape).mT if last else y.reshape(shape)
        samples, columns, pixels = features.shape
        spare = samples * pixels - columns
        start = int(torch.randint(max(spare, 0) + 1, (1,), generator=generator))
        rows = torch.arange(start, min(start + columns, samples * pixels), device=y.device)
        found.append(features[rows // pixels, :, rows % pixels])

    handles = [
        module.register_forward_hook(read)
        for module in network.modules()
        if hasattr(module, "weight") or isinstance(module, _ACTIVATIONS)
    ]
    try:
        network(x.clone())
    finally:
        for handle in handles:
            handle.remove()
    return found


def _effective_ranks(A: Tensor) -> Tensor:
    """Exponential of the entropy of the normalised singular values, of matrices (…, R, C)."""
    sigma = torch.linalg.svdvals(A)
    total = sigma.sum(-1, keepdim=True)
    p = sigma / torch.where(total > 0, total, 1.0)
    ranks = torch.special.entr(p).sum(-1).exp()
    return torch.where(total[..., 0] > 0, ranks, 0.0)


@contextmanager
def _restored(network: nn.Module) -> Iterator[None]:
    """Give the parameters on exit the values that they have now."""
    values = [(p, p.detach().clone()) for p in network.parameters()]
    try:
        yield
    finally:
        for parameter, value in values:
            parameter.copy_(value)
