"""Spectra of kernels as flat records, and as a figure."""

import math
from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from models.analysis.panel import add_panel
from models.indicators import KernelSpectrum, kernel_spectrum, nngp_kernel, paper_bound
from models.topology import Topology

QUANTILES = {"greatest": 1.0, "90 %": 0.9, "median": 0.5, "10 %": 0.1, "least": 0.0}
"""Which of a spectrum's eigenvalues are drawn over epochs."""


def spectrum_record(spectrum: KernelSpectrum | None) -> dict[str, float]:
    """Return log₁₀ κ, λ_max, λ_min and rank by name; NaN where the kernel is not finite (None).

    Lower κ is better conditioned; `inf` where the kernel is singular.
    """
    if spectrum is None:
        names = ("log10_condition_number", "lambda_max", "lambda_min", "rank")
        return dict.fromkeys(names, math.nan)
    return {
        "log10_condition_number": math.log10(spectrum.condition_number),
        "lambda_max": spectrum.lambda_max,
        "lambda_min": spectrum.lambda_min,
        "rank": float(spectrum.rank),
    }


def log10_spectrum(spectrum: KernelSpectrum) -> Tensor:
    """Return log₁₀ of the positive eigenvalues, ascending."""
    return spectrum.eigenvalues[spectrum.eigenvalues > 0].log10()


def log10_quantiles(exponents: Tensor) -> list[float]:
    """Return `QUANTILES` of log₁₀ eigenvalues (N,), in their order."""
    shares = torch.tensor([*QUANTILES.values()], dtype=exponents.dtype)
    quantiles: list[float] = exponents.quantile(shares).tolist()
    return quantiles


def nngp_spectra(dag: Topology, images: Tensor) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Compute the NNGP kernel of a DAG on images (N, …).

    Returns:
        A record of `lambda_min`, `lambda_max` and `log10_condition_number` of the exact kernel and
        of `paper_bound`; and the eigenvalues (N,) under both recursions, by name.

    Raises:
        ValueError: a DAG or images that have no such kernel.
    """
    exact = kernel_spectrum(nngp_kernel(dag, images))
    paper = kernel_spectrum(nngp_kernel(dag, images, recursion="paper"))
    record = {
        "lambda_min": exact.lambda_min,
        "lambda_max": exact.lambda_max,
        "log10_condition_number": math.log10(exact.condition_number),
        "paper_bound": paper_bound(dag, images),
    }
    return record, {
        "NNGP, exact": exact.eigenvalues,
        "NNGP, paper's recursion": paper.eigenvalues,
    }


def spectra_figure(spectra: Mapping[str, Tensor]) -> Figure:
    """Positive eigenvalues of each kernel (N,), largest first, in units of their mean."""
    figure = Figure(figsize=(4, 3.4))
    axes = add_panel(figure, 0.7, 0.5, 3.15, 2.8)
    for name, eigenvalues in spectra.items():
        scaled = (eigenvalues / eigenvalues.mean()).flip(0)
        positive = scaled[scaled > 0]
        axes.plot(range(1, len(positive) + 1), positive.tolist(), marker=".", label=name)
    axes.set(xscale="log", yscale="log", xlabel="rank", ylabel="eigenvalue / mean eigenvalue")
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def spectrum_over_epochs_figure(quantiles: Mapping[int, Sequence[float]]) -> Figure:
    """Draw how a spectrum moves while a network trains, a line per quantile.

    Args:
        quantiles: epoch to `log10_quantiles`; 0 is before training.
    """
    epochs = sorted(quantiles)
    figure = Figure(figsize=(4, 3.4))
    axes = add_panel(figure, 0.6, 1.0, 3.25, 2.3)
    for index, name in enumerate(QUANTILES):
        values = [quantiles[epoch][index] for epoch in epochs]
        outer = index in (0, len(QUANTILES) - 1)
        colour = f"C{min(index, len(QUANTILES) - 1 - index)}"
        dashed = "--" if index > len(QUANTILES) // 2 else "-"
        axes.plot(epochs, values, dashed, color=colour, lw=2 if outer else 1.3, label=name)
    axes.fill_between(
        epochs,
        [quantiles[epoch][1] for epoch in epochs],
        [quantiles[epoch][-2] for epoch in epochs],
        color="C1",
        alpha=0.12,
        linewidth=0,
    )
    axes.set_xlabel("epochs trained", fontsize=12)
    axes.set_ylabel("log₁₀ eigenvalue", fontsize=12)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(alpha=0.3)
    figure.legend(loc="lower center", ncols=3, frameon=False)
    return figure
