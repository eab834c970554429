"""Checks of networks and batches, without which per-sample derivatives mean nothing."""

import math
from collections.abc import Callable
from contextlib import ExitStack

import torch
from torch import Tensor, nn


def check_inputs(inputs: Tensor) -> None:
    """Raise ValueError unless `inputs` is a floating-point batch of two samples or more."""
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
        given = inputs.dtype if isinstance(inputs, Tensor) else type(inputs).__name__
        raise ValueError(f"inputs must be a floating-point tensor, given {given}")
    if inputs.ndim == 0 or len(inputs) < 2:
        raise ValueError(
            f"inputs must hold at least 2 samples along their first dimension, "
            f"given shape {tuple(inputs.shape)}"
        )


def check_outputs(outputs: Tensor, samples: int) -> None:
    """Raise ValueError unless `outputs` are logits (samples, C) with a gradient."""
    if not isinstance(outputs, Tensor):
        raise ValueError(
            f"network must return a tensor of shape ({samples}, C), "
            f"returned {type(outputs).__name__}"
        )
    if outputs.ndim != 2 or len(outputs) != samples:
        raise ValueError(
            f"network must return logits of shape ({samples}, C), returned {tuple(outputs.shape)}"
        )
    if not outputs.requires_grad:
        raise ValueError("network has no trainable parameter that its outputs depend on")


def check_finite(kernel: Tensor) -> None:
    """Raise FloatingPointError unless every entry of `kernel` is finite."""
    if bad := int((~torch.isfinite(kernel)).sum()):
        raise FloatingPointError(
            f"kernel is not finite in {bad} of {kernel.numel()} entries: it has no spectrum"
        )


def same_to_rounding(first: Tensor, second: Tensor) -> Tensor:
    """Whether no entry differs by over 3 √ε of the largest, 1e-3 in float32: a boolean scalar.

    Entries that are not finite are alike: they are refused later, as what they are.
    """
    tolerance = 3 * math.sqrt(torch.finfo(first.dtype).eps)
    first, second = first.nan_to_num(0, 0, 0), second.nan_to_num(0, 0, 0)
    return (first - second).abs().amax() <= tolerance * first.abs().amax()


def check_repeats(network: nn.Module, inputs: Tensor, outputs: Tensor) -> None:
    """Raise ValueError unless another forward gives the same outputs, to rounding."""
    again = network(inputs.clone())
    if again.shape != outputs.shape or not same_to_rounding(outputs, again):
        raise ValueError(f"network is not deterministic: {_named(network, inputs)}")


def check_draws_nothing(network: nn.Module, inputs: Tensor, state: list[Tensor]) -> None:
    """Raise ValueError if the random state moved since `state`, naming the module that draws."""
    if not _equal(state, random_state(inputs.device)):
        raise ValueError(f"network is not deterministic: {_named(network, inputs)}")


def random_state(device: torch.device) -> list[Tensor]:
    """State of the generators that a forward on `device` may draw from."""
    states = [torch.get_rng_state()]
    if device.type != "cpu":
        states.append(torch.get_device_module(device).get_rng_state(device))
    return states


def _equal(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def _named(network: nn.Module, inputs: Tensor) -> str:
    """Name the first module, from the inside, that draws at random in a further forward."""
    found: list[str] = []
    before: dict[nn.Module, list[Tensor]] = {}

    def enter(module: nn.Module, _: tuple[Tensor, ...]) -> None:
        before[module] = random_state(inputs.device)

    def leave(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, _: tuple[Tensor, ...], __: Tensor) -> None:
            if not _equal(before[module], random_state(inputs.device)):
                found.append(f"{name or 'its forward'} ({type(module).__name__})")

        return hook

    with ExitStack() as hooks, torch.no_grad():
        for name, module in network.named_modules():
            hooks.callback(module.register_forward_pre_hook(enter, prepend=True).remove)
            hooks.callback(module.register_forward_hook(leave(name)).remove)
        network(inputs.clone())
    if not found:
        return "a second forward of the same batch differs"
    return f"{found[0]} draws random numbers; call eval() on it or set its rate to 0"
