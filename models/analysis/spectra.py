"""Spectra of kernels as flat records, and as a figure."""

import math
from collections.abc import Mapping

from matplotlib.figure import Figure
from torch import Tensor

from models.indicators import KernelSpectrum, kernel_spectrum, nngp_kernel, paper_bound
from models.topology import Topology


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
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, eigenvalues in spectra.items():
        scaled = (eigenvalues / eigenvalues.mean()).flip(0)
        positive = scaled[scaled > 0]
        axes.plot(range(1, len(positive) + 1), positive.tolist(), marker=".", label=name)
    axes.set(xscale="log", yscale="log", xlabel="rank", ylabel="eigenvalue / mean eigenvalue")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure
