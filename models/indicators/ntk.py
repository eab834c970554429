"""Empirical neural tangent kernel of a network on a batch, and its spectrum."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from models.indicators._checks import (
    check_deterministic,
    check_inputs,
    check_outputs,
    check_repeats,
)
from models.indicators._frozen_batch_norm import FrozenBatchNorm
from models.indicators._untouched import exact_arithmetic, untouched


class NtkSpectrum(NamedTuple):
    """Spectrum of a kernel of N samples.

    lambda_max, lambda_min: its extreme eigenvalues, as computed (rounding may leave the smallest
        one of a singular kernel slightly negative).
    condition_number: κ = λ_max / λ_min (lower trains faster); infinite for a singular kernel,
        never negative.
    rank: number of eigenvalues above N·ε·λ_max, ε the rounding of float32.
    eigenvalues: all N, ascending, float64, on the CPU.
    """

    lambda_max: float
    lambda_min: float
    condition_number: float
    rank: int
    eigenvalues: Tensor


def empirical_ntk(
    network: nn.Module,
    inputs: Tensor,
    batch_norm: Literal["coupled", "frozen"] = "coupled",
    parameters: Literal["all", "weights"] = "all",
    output: Literal["sum", "trace"] = "sum",
    chunk_size: int | None = None,
) -> Tensor:
    """K_ij = ⟨∂F_i/∂θ, ∂F_j/∂θ⟩ on N inputs: (N, N), float64, on the CPU.

    The network is evaluated in the mode that it is in, and left as it was found. Gradients have
    the precision of the network; their products are summed in float64.

    batch_norm: what normalisation by the batch means for a derivative. `coupled`: the batch
        statistics depend on every sample (TE-NAS, arXiv 2102.11535); N backward passes.
        `frozen`: they are constants; one backward pass. Equal where no layer normalises by the
        batch.
    parameters: θ, all trainable parameters or those with `weight` in their name (TE-NAS).
    output: F_i, the `sum` of the logits of sample i (TE-NAS); `trace` sums the kernels of the
        single logits.
    chunk_size: backward passes that run as one; memory grows with it.

    Raises ValueError for an argument outside these, fewer than two inputs or integer ones, logits
    that are not (N, C), no trainable parameter, and a network that is not deterministic (names
    the module); FloatingPointError for a kernel that is not finite.
    """
    for name, value, allowed in (
        ("batch_norm", batch_norm, ("coupled", "frozen")),
        ("parameters", parameters, ("all", "weights")),
        ("output", output, ("sum", "trace")),
    ):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, given {value!r}")
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"chunk_size must be at least 1, given {chunk_size}")
    check_inputs(inputs)
    check_deterministic(network)
    theta = _chosen_parameters(network, parameters)
    device = inputs.device
    frozen = FrozenBatchNorm(network)
    with (
        untouched(network, device),
        exact_arithmetic(device),
        torch.inference_mode(False),
        torch.enable_grad(),
        frozen.installed() if batch_norm == "frozen" else nullcontext(),
    ):
        batch = inputs.detach().clone()
        outputs = network(batch.clone())
        check_outputs(outputs, len(batch))
        if not outputs.requires_grad:
            raise ValueError("network has no trainable parameter that its outputs depend on")
        with torch.no_grad():
            frozen.replay()
            check_repeats(outputs, network(batch.clone()))
        chunk = chunk_size or (4 if device.type == "cpu" else 32)
        targets = outputs.sum(1, keepdim=True) if output == "sum" else outputs
        kernel = sum(
            (_gram(_rows(F, theta, chunk)) for F in targets.unbind(1)),
            start=torch.zeros(len(batch), len(batch), dtype=torch.float64),
        )
    _refuse_non_finite(kernel)
    return kernel


def ntk_spectrum(kernel: Tensor) -> NtkSpectrum:
    """Spectrum of a symmetric positive semi-definite kernel (N, N), computed in float64.

    Raises ValueError unless the kernel is square, FloatingPointError unless it is finite.
    """
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or len(kernel) == 0:
        raise ValueError(f"kernel must be of shape (N, N), given {tuple(kernel.shape)}")
    _refuse_non_finite(kernel)
    eigenvalues = torch.linalg.eigvalsh(kernel.detach().to("cpu", torch.float64))
    lambda_min, lambda_max = eigenvalues[0].item(), eigenvalues[-1].item()
    resolved = len(kernel) * torch.finfo(torch.float32).eps * lambda_max
    singular = lambda_min <= resolved
    return NtkSpectrum(
        lambda_max=lambda_max,
        lambda_min=lambda_min,
        condition_number=float("inf") if singular else lambda_max / lambda_min,
        rank=int((eigenvalues > max(resolved, 0.0)).sum()),
        eigenvalues=eigenvalues,
    )


def _refuse_non_finite(kernel: Tensor) -> None:
    bad = int((~torch.isfinite(kernel)).sum())
    if bad:
        raise FloatingPointError(
            f"kernel is not finite in {bad} of {kernel.numel()} entries: it has no spectrum"
        )


def _chosen_parameters(network: nn.Module, which: Literal["all", "weights"]) -> list[Tensor]:
    chosen: list[Tensor] = [
        parameter
        for name, parameter in network.named_parameters()
        if parameter.requires_grad and (which == "all" or "weight" in name)
    ]
    if not chosen:
        kind = "trainable parameter" if which == "all" else "trainable parameter named weight"
        raise ValueError(f"network has no {kind}")
    return chosen


def _rows(F: Tensor, theta: list[Tensor], chunk: int) -> Iterator[Tensor]:
    """Gradients of the N entries of F, `chunk` rows of (chunk, P) at a time."""
    used = torch.autograd.grad(F.sum(), theta, retain_graph=True, allow_unused=True)
    theta = [p for p, gradient in zip(theta, used, strict=True) if gradient is not None]
    if not theta:
        return
    for cotangents in torch.split(torch.eye(len(F), dtype=F.dtype, device=F.device), chunk):
        gradients = torch.autograd.grad(
            F, theta, cotangents, retain_graph=True, is_grads_batched=True
        )
        yield torch.cat([g.flatten(1) for g in gradients], dim=1)


def _gram(rows: Iterator[Tensor]) -> Tensor:
    J = torch.cat(list(rows))
    return (J.double() @ J.double().T).cpu()
