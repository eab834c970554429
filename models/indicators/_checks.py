"""What a network and a batch must be for per-sample derivatives to mean anything."""

import torch
from torch import Tensor, nn


def check_inputs(inputs: Tensor) -> None:
    """Raise ValueError unless `inputs` is a floating-point batch of two samples or more."""
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
        given = inputs.dtype if isinstance(inputs, Tensor) else type(inputs).__name__
        raise ValueError(f"inputs must be a floating-point tensor, given {given}")
    if inputs.ndim < 1 or len(inputs) < 2:
        raise ValueError(
            f"inputs must hold at least 2 samples along their first dimension, "
            f"given shape {tuple(inputs.shape)}"
        )


def check_outputs(outputs: Tensor, samples: int) -> None:
    """Raise ValueError unless `outputs` has shape (samples, classes)."""
    if not isinstance(outputs, Tensor):
        raise ValueError(
            f"network must return a tensor of shape (N, C), returned {type(outputs).__name__}"
        )
    if outputs.ndim != 2 or len(outputs) != samples:
        raise ValueError(
            f"network must return logits of shape ({samples}, C), returned {tuple(outputs.shape)}"
        )


def check_deterministic(network: nn.Module) -> None:
    """Raise ValueError naming the first module that drops or disturbs activations at random."""
    for name, module in network.named_modules():
        if module.training and _drop_rate(module) > 0:
            raise ValueError(
                f"network is not deterministic: {name or 'network'} "
                f"({type(module).__name__}) is random in training mode; call eval() on it"
            )


def _drop_rate(module: nn.Module) -> float:
    match module:
        case nn.RReLU():
            return float(module.upper - module.lower)
        case nn.MultiheadAttention() | nn.RNNBase():
            return float(module.dropout)
        case nn.FractionalMaxPool2d() | nn.FractionalMaxPool3d():
            return 1.0 if module._random_samples is None else 0.0
    if "drop" in type(module).__name__.lower() or type(module).__name__ == "StochasticDepth":
        rate = getattr(module, "p", getattr(module, "drop_prob", 0.0))
        return float(rate) if isinstance(rate, int | float) else 0.0
    return 0.0


def check_repeats(first: Tensor, second: Tensor) -> None:
    """Raise ValueError unless two forwards of one batch agree to rounding."""
    scale = first.abs().amax().clamp_min(torch.finfo(first.dtype).tiny)
    if not torch.allclose(first / scale, second / scale, rtol=0, atol=1e-3, equal_nan=True):
        raise ValueError(
            "network is not deterministic: a second forward of the same batch differs by "
            f"{(first - second).abs().amax().item():.3g}"
        )
