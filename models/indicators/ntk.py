"""Empirical neural tangent kernel of a network on a batch, and its spectrum."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from models.indicators._autograd.checks import (
    check_draws_nothing,
    check_finite,
    check_inputs,
    check_outputs,
    check_repeats,
    random_state,
)
from models.indicators._autograd.expanded import add_expanded
from models.indicators._autograd.fast_layers import fast_layers
from models.indicators._autograd.frozen_batch_norm import (
    FrozenBatchNorm,
    local_batch_norm,
    uses_batch_statistics,
)
from models.indicators._autograd.gram import Gram
from models.indicators._autograd.layer_calls import plain_layers, recorded_calls
from models.indicators._autograd.per_sample import add_per_sample, independent_calls
from models.indicators._autograd.rows import add_rows
from models.indicators._autograd.untouched import exact_arithmetic, untouched
from models.indicators.spectrum import KernelSpectrum, kernel_spectrum

Output = Literal["sum", "trace"]


def empirical_ntk(
    network: nn.Module,
    inputs: Tensor,
    batch_norm: Literal["coupled", "frozen"] = "coupled",
    parameters: Literal["all", "weights"] = "all",
    output: Output = "sum",
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
    chunk_size: backward passes that run as one, where there are N; memory grows with it. By default
        1 on a CPU, where more pays for small layers only, and 32 on an accelerator.

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
    theta = _chosen_parameters(network, parameters)
    coupled = batch_norm == "coupled" and any(map(uses_batch_statistics, network.modules()))
    with (
        untouched(network, inputs.device),
        exact_arithmetic(inputs.device),
        torch.inference_mode(False),
        torch.enable_grad(),
    ):
        gram = Gram(len(inputs), inputs.device)
        add_gradients = _add_coupled if coupled else _add_independent
        chunk = chunk_size or (1 if inputs.device.type == "cpu" else 32)
        add_gradients(gram, network, inputs.detach().clone(), theta, output, chunk)
        kernel = gram.kernel()
    check_finite(kernel)
    return kernel


def ntk_spectrum(kernel: Tensor) -> KernelSpectrum:
    """Spectrum of the kernel (N, N) of a float32 network: eigenvalues up to N·ε₃₂·λ_max are zero.

    Raises ValueError unless the kernel is square, FloatingPointError unless it is finite.
    """
    return kernel_spectrum(kernel, torch.float32)


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


def _add_coupled(
    gram: Gram,
    network: nn.Module,
    inputs: Tensor,
    theta: Sequence[Tensor],
    output: Output,
    chunk_size: int,
) -> None:
    fast = fast_layers(network, inputs.device, batched=chunk_size > 1)
    with local_batch_norm(network), fast:
        outputs = _forward(network, inputs)
        with torch.no_grad():
            check_repeats(network, inputs, outputs)
    add_rows(gram, _targets(outputs, output), theta, chunk_size)


def _add_independent(
    gram: Gram,
    network: nn.Module,
    inputs: Tensor,
    theta: Sequence[Tensor],
    output: Output,
    chunk_size: int,
) -> None:
    layers = plain_layers(network)
    frozen = FrozenBatchNorm(network)
    with frozen.installed(), fast_layers(network, inputs.device, batched=chunk_size > 1):
        with recorded_calls(layers) as calls:
            outputs = _forward(network, inputs)
        calls = independent_calls(network, inputs, outputs, calls, layers, frozen)
    targets = _targets(outputs, output)
    left = add_per_sample(gram, outputs, targets, theta, calls, frozen.statistics)
    left = add_expanded(gram, outputs, targets, left)
    add_rows(gram, targets, left, chunk_size)


def _forward(network: nn.Module, inputs: Tensor) -> Tensor:
    state = random_state(inputs.device)
    outputs: Tensor = network(inputs.clone())
    check_outputs(outputs, len(inputs))
    check_draws_nothing(network, inputs, state)
    return outputs


def _targets(outputs: Tensor, output: Output) -> Sequence[Tensor]:
    return [outputs.sum(1)] if output == "sum" else outputs.unbind(1)
