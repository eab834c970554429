"""Weights drawn from an explicit generator, so that a seed alone decides them."""

from typing import Literal, Protocol, runtime_checkable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

Scheme = Literal["fan_out", "fan_in"]


@runtime_checkable
class DrawsItself(Protocol):
    """A module that knows how to draw the parameters that are its own."""

    def draw_(self, generator: torch.Generator | None = None) -> None:
        """Draw them anew, in place, on the generator's device."""
        ...


@torch.no_grad()
def initialise_(network: nn.Module, scheme: Scheme, generator: torch.Generator) -> None:
    """Draw every weight anew, in place (He et al. 2015).

    Weights of convolutions and linear layers are normal with variance 2/fan, their biases 0; batch
    and layer normalisations return to scale 1, shift 0 and fresh running statistics. Modules with a
    method `draw_(generator)` draw what is their own, such as positions of tokens. Values are
    drawn on the generator's device and copied, so a CPU generator gives the same weights on every
    device.

    Args:
        network: changed in place.
        scheme: which fan. TE-NAS takes `fan_out` for the NTK and `fan_in` for linear regions.
        generator: the only source of randomness; it advances.

    Raises:
        ValueError: another scheme, or a module with parameters of another kind.
    """
    if scheme not in ("fan_out", "fan_in"):
        raise ValueError(f"scheme: expected 'fan_out' or 'fan_in', got {scheme!r}")
    for name, module in network.named_modules():
        match module:
            case nn.Linear() | nn.Conv1d() | nn.Conv2d() | nn.Conv3d():
                drawn = torch.empty_like(module.weight, device=generator.device)
                nn.init.kaiming_normal_(
                    drawn, mode=scheme, nonlinearity="relu", generator=generator
                )
                module.weight.copy_(drawn)
                if module.bias is not None:
                    module.bias.zero_()
            case _BatchNorm() | nn.LayerNorm():
                module.reset_parameters()
            case DrawsItself():
                module.draw_(generator)
            case _ if any(True for _ in module.parameters(recurse=False)):
                raise ValueError(
                    f"network: no initialisation is known for {name or 'itself'} "
                    f"({type(module).__name__})"
                )
