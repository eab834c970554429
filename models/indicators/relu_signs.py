"""Signs of a network's ReLUs, layer by layer, from one forward."""

from collections.abc import Callable
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from models.indicators._autograd.checks import check_inputs
from models.indicators._autograd.untouched import exact_arithmetic, untouched


def pass_relu_signs(network: nn.Module, inputs: Tensor, use: Callable[[Tensor], None]) -> None:
    """Call `use` with the signs (N, units), boolean, of every call of an `nn.ReLU`, in order.

    True where a unit is active. The network is evaluated in the mode that it is in, and left as it
    was found; no hook outlives the call.

    Raises ValueError for fewer than two inputs or integer ones, if no `nn.ReLU` is called (those of
    `nn.functional` cannot be seen), or if one is called on other than the N samples.
    """
    check_inputs(inputs)
    samples, called = len(inputs), False

    def hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def pass_on(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
            nonlocal called
            called = True
            if output.ndim == 0 or len(output) != samples:
                raise ValueError(
                    f"network must keep its {samples} samples in the first dimension: "
                    f"{name or 'ReLU'} sees {tuple(output.shape)}"
                )
            use((output > 0).reshape(samples, -1))

        return pass_on

    with (
        untouched(network, inputs.device),
        exact_arithmetic(inputs.device),
        torch.no_grad(),
        ExitStack() as hooks,
    ):
        for name, module in network.named_modules():
            if isinstance(module, nn.ReLU):
                # first among the hooks, to see the ReLU's own output
                handle = module.register_forward_hook(hook(name), prepend=True)
                hooks.callback(handle.remove)
        network(inputs.clone())
    if not called:
        raise ValueError("network calls no nn.ReLU module: it has no activation pattern to read")
