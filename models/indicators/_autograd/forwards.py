"""Stand-ins for the `forward` of modules, for the time of an evaluation."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn


def has_forward_of(module: nn.Module, *kinds: type[nn.Module]) -> bool:
    """Whether `module` computes what one of these classes computes, with nothing of its own."""
    return "forward" not in vars(module) and type(module).forward in [k.forward for k in kinds]


@contextmanager
def replaced_forwards(forwards: Mapping[nn.Module, Callable[[Tensor], Tensor]]) -> Iterator[None]:
    """Let each module compute the given function; hooks still run."""
    try:
        for module, forward in forwards.items():
            vars(module)["forward"] = lambda input, forward=forward: forward(input)
        yield
    finally:
        for module in forwards:
            vars(module).pop("forward", None)
