"""Gram matrix of parameters that a network copies for every sample, such as a class token."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge

from models.indicators._autograd.checks import same_to_rounding
from models.indicators._autograd.gram import Gram


def add_expanded(
    gram: Gram, outputs: Tensor, targets: Sequence[Tensor], theta: Sequence[Tensor]
) -> list[Tensor]:
    """Add the share of the parameters used by one `expand` over the samples; return the others.

    The gradient of the i-th copy is that of sample i, if it acts on nothing else: two backward
    passes find out. Every function F (N) of `targets` has a kernel of its own.
    """
    N, copies = len(outputs), _copies(outputs, theta)
    if not copies:
        return list(theta)
    first = _gradients(targets[0].sum(), copies)
    alone = {
        p: copies[p]
        for p, g in first.items()
        if len(g) == N and g.numel() == N * p.numel() and (g.ndim > p.ndim or len(p) == 1)
    }
    # with weights on the samples, every row must change by its own weight
    weights = torch.linspace(1, 2, N, dtype=outputs.dtype, device=outputs.device)
    weighted = _gradients(weights @ targets[0], alone)
    for p, g in weighted.items():
        if not same_to_rounding(g.flatten(1), weights[:, None] * first[p].flatten(1)):
            del alone[p]
    for F in targets if alone else ():
        rows = first if F is targets[0] else _gradients(F.sum(), alone)
        for p in alone:
            gram.add_columns(rows[p].flatten(1))
    return [p for p in theta if p not in alone]


def _gradients(scalar: Tensor, copies: Mapping[Tensor, GradientEdge]) -> dict[Tensor, Tensor]:
    """Gradient of a scalar by the copies of every parameter."""
    if not copies:
        return {}
    gradients = torch.autograd.grad(
        scalar, list(copies.values()), retain_graph=True, materialize_grads=True
    )
    return dict(zip(copies, gradients, strict=True))


def _copies(outputs: Tensor, theta: Sequence[Tensor]) -> dict[Tensor, GradientEdge]:
    """The copies of every parameter that nothing but one `expand` reads."""
    readers: dict[Tensor, list[Node]] = {p: [] for p in theta}
    seen: set[Node] = set()
    stack = [get_gradient_edge(outputs).node]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        for following, _ in node.next_functions:
            if following is not None:
                stack.append(following)
                if (p := getattr(following, "variable", None)) in readers:
                    readers[p].append(node)
    return {
        p: GradientEdge(nodes[0], 0)
        for p, nodes in readers.items()
        if len(nodes) == 1 and type(nodes[0]).__name__ == "ExpandBackward0"
    }
