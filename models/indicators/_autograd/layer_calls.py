"""Which layers a forward calls, on what, and which parameters act through them alone."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge
from torch.nn.modules.batchnorm import _BatchNorm

from models.indicators._autograd.checks import same_to_rounding
from models.indicators._autograd.forwards import has_forward_of

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer: its input x (N, …) and the edges of x and of its output."""

    layer: nn.Module
    index: int  # among the calls of this layer
    x: Tensor
    source: GradientEdge | None  # none where x needs no gradient
    output: GradientEdge | None  # none under no_grad


def plain_layers(network: nn.Module) -> list[nn.Module]:
    """The layers whose per-sample gradients have a closed form."""
    return [layer for layer in network.modules() if _is_plain(layer)]


@contextmanager
def recorded_calls(layers: Sequence[nn.Module]) -> Iterator[list[Call]]:
    """Record the calls of `layers`, in order."""
    calls: list[Call] = []
    counts: Counter[nn.Module] = Counter()

    def record(
        layer: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor], y: Tensor
    ) -> None:
        x = args[0] if args else kwargs["input"]
        # edges, not tensors: they outlive a later change in place
        source = get_gradient_edge(x) if x.requires_grad else None
        output = get_gradient_edge(y) if y.requires_grad else None
        calls.append(Call(layer, counts[layer], x.detach(), source, output))
        counts[layer] += 1

    with ExitStack() as hooks:
        for layer in layers:
            # first among the hooks, to see the output before they change it
            handle = layer.register_forward_hook(record, with_kwargs=True, prepend=True)
            hooks.callback(handle.remove)
        yield calls


def _is_plain(layer: nn.Module) -> bool:
    """Whether `layer` computes what its class says, with a weight that is its own parameter.

    Not so under a parametrisation, or in a subclass with another forward.
    """
    if not isinstance(layer._parameters.get("weight"), nn.Parameter):
        return False
    if isinstance(layer, _CONVOLUTIONS):
        own = [kind._conv_forward for kind in _CONVOLUTIONS]
        return has_forward_of(layer, *_CONVOLUTIONS) and type(layer)._conv_forward in own
    return has_forward_of(layer, nn.Linear, nn.LayerNorm, _BatchNorm, nn.SyncBatchNorm)


def per_sample_calls(
    calls: Sequence[Call], part: Sequence[Call], rows: Tensor, samples: int
) -> list[Call]:
    """The calls whose row i belongs to sample i, and to it alone.

    `part` are the calls of a forward of the samples `rows` only: a call must have seen the same
    in both, row by row, to rounding.
    """
    if [(c.layer, c.index) for c in calls] != [(c.layer, c.index) for c in part]:
        return []
    alike = [
        (whole, small)
        for whole, small in zip(calls, part, strict=True)
        if whole.x.ndim > 1
        and whole.x.shape == (samples, *small.x.shape[1:])
        and len(small.x) == len(rows)
    ]
    close = [same_to_rounding(whole.x[rows], small.x) for whole, small in alike]
    kept = torch.stack(close).tolist() if close else []
    return [whole for (whole, _), keep in zip(alike, kept, strict=True) if keep]


def uses_of_parameters(
    outputs: Tensor, calls: Sequence[Call]
) -> tuple[dict[Tensor, list[tuple[Call, str]]], set[Tensor]]:
    """Walk the graph of `outputs` for the parameters used through `calls`, and used otherwise.

    The first are given with each call and their name in its layer. A parameter may be in both.
    """
    through: dict[Tensor, list[tuple[Call, str]]] = {}
    otherwise: set[Tensor] = set()
    at = {call.output.node: call for call in calls if call.output is not None}
    seen: set[Node] = set()
    stack = [get_gradient_edge(outputs).node]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if (call := at.get(node)) is not None:
            for name, parameter in call.layer._parameters.items():
                if parameter is not None:
                    through.setdefault(parameter, []).append((call, name))
            if call.source is not None:
                stack.append(call.source.node)
        elif type(node).__name__ == "AccumulateGrad":
            otherwise.add(node.variable)  # type: ignore[attr-defined]
        else:
            stack.extend(following for following, _ in node.next_functions if following is not None)
    return through, otherwise
