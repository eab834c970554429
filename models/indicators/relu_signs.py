"""Signs of a network's ReLUs, layer by layer, from one forward."""

from collections.abc import Callable
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from models.indicators._autograd.checks import check_inputs
from models.indicators._autograd.untouched import exact_arithmetic, untouched


def pass_relu_signs(
    network: nn.Module, inputs: Tensor, use: Callable[[Tensor], None], *, distinct: bool = False
) -> None:
    """Hand over the signs of every ReLU of one forward pass, layer by layer.

    Scores of activation patterns are sums over layers, so that no layer's signs need be kept:
    NASWOT's kernel (`activation_overlap`) and TE-NAS's regions (`linear_regions`) are written on
    top of this. The mean share of active units, for another:

        shares = []
        pass_relu_signs(network, images, lambda signs: shares.append(signs.float().mean()))
        score = float(torch.stack(shares).mean())

    The network is evaluated in the mode that it is in, and left as it was found; no hook outlives
    the call.

    Args:
        network: its `nn.ReLU` and `nn.ReLU6` modules are read; those of `nn.functional` cannot be
            seen.
        inputs: floating-point, (N, ...).
        use: called with the signs of each call of a ReLU, in the order of the forward pass:
            boolean, (N, units) in one order for all samples, on the device of the output; True
            where a unit is active, its output above 0. It runs without gradients. A ReLU with an
            attribute `readers`, which a supernet computes once for that many operations, counts as
            one of each. A network with an attribute `cpu_format` gets its images in that layout.
        distinct: such a ReLU counts once: enough to tell which patterns there are.

    Raises:
        ValueError: fewer than two inputs or integer ones, no `nn.ReLU` is called, or one is called
            on other than the N samples.
    """
    check_inputs(inputs)
    samples, called = len(inputs), False

    def hook(name: str, times: int) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def pass_on(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
            nonlocal called
            called = True
            if output.ndim == 0 or len(output) != samples:
                raise ValueError(
                    f"network must keep its {samples} samples in the first dimension: "
                    f"{name or 'ReLU'} sees {tuple(output.shape)}"
                )
            if output.ndim == 4 and output.is_contiguous(memory_format=torch.channels_last):
                output = output.movedim(1, -1)  # in the order of the memory: no copy
            signs = (output > 0).reshape(samples, -1)
            for _call in range(times):
                use(signs)

        return pass_on

    with (
        untouched(network, inputs.device),
        exact_arithmetic(inputs.device),
        torch.no_grad(),
        ExitStack() as hooks,
    ):
        for name, module in network.named_modules():
            if isinstance(module, nn.ReLU | nn.ReLU6):
                times = 1 if distinct else getattr(module, "readers", 1)
                # first among the hooks, to see the ReLU's own output
                handle = module.register_forward_hook(hook(name, times), prepend=True)
                hooks.callback(handle.remove)
        network(inputs.clone(memory_format=_format_for(network, inputs)))
    if not called:
        raise ValueError(
            "network calls no nn.ReLU module: it has no activation pattern to read; "
            "JacobianCovariance needs none"
        )


def _format_for(network: nn.Module, inputs: Tensor) -> torch.memory_format:
    """Return the layout that a network asks for; others may call `view`, which needs their own."""
    if inputs.device.type != "cpu":
        return torch.preserve_format
    return getattr(network, "cpu_format", torch.preserve_format)
