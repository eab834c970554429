"""The NNGP kernel of a DAG: what its connectivity alone does to a batch of inputs."""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import networkx as nx
import torch
from torch import Tensor

Recursion = Literal["exact", "paper"]

_Incoming = dict[int, list[tuple[int, bool]]]
"""(source, is an operation) of every edge into a node, in topological order; the input is 0."""

_Source = tuple[int, int, int]


@runtime_checkable
class HasGraph(Protocol):
    """Anything that holds a DAG, such as a parsed DAG string."""

    @property
    def graph(self) -> "nx.DiGraph[Any]":
        """The networkx graph."""
        ...


def nngp_kernel(
    dag: "HasGraph | nx.DiGraph[Any]",
    inputs: Tensor,
    recursion: Recursion = "exact",
    stem: bool = True,
) -> Tensor:
    """Second moments E[x_i x_j] of an output neuron over random weights, at infinite width.

    The network is a stem, then the DAG: an operation is a He-initialised Linear and a ReLU, a skip
    is the identity, a node sums its incoming edges (arXiv 2205.05662, §3).

    dag: a DAG, or its networkx (multi)graph: `operations` is 0 (skip) or 1 (operation) on every
        edge, `graph.graph["inputs"]` names one node, `["output"]` another. Nodes that no
        input→output path crosses do not count.
    inputs: (N, …), flattened to N rows of n_in features.
    recursion: `exact`, the true moments. ReLU outputs have a positive mean, so that branches
        correlate. `paper`, Lemma 3.2 (Eq. 6-10), takes branches for uncorrelated: the same on a
        chain, a third to a half of the exact kernel on parallel branches.
    stem: whether a Linear and a ReLU precede the DAG; else its input node is `inputs` itself.

    Returns (N, N), float64, on the device of `inputs`.

    Raises ValueError for a graph that is not such a DAG or has no path, inputs that are not N ≥ 1
    rows of finite real numbers, another recursion, or moments beyond the range of float64.
    """
    if recursion not in get_args(Recursion):
        raise ValueError(
            f"recursion must be one of {', '.join(get_args(Recursion))}, given {recursion!r}"
        )
    nodes = _incoming(dag)
    K, mean = _input_moments(inputs, stem)
    return _in_range(lambda: _paper(nodes, K) if recursion == "paper" else _exact(nodes, K, mean))


def paper_bound(dag: "HasGraph | nx.DiGraph[Any]", inputs: Tensor, stem: bool = True) -> float:
    """Bound of λ_min from path depths alone (arXiv 2205.05662, Eq. 12); higher trains faster.

    min over i ≠ j of P − Σ_p f^{d_p}(K_ij), for P paths with d_p operations on path p. The paper
    states it for K_ii = 1. In general the 2 × 2 kernels [Σ_p f^{d_p}(K)]_ij have unequal diagonals
    and their smaller eigenvalue takes its place: the same number where K_ii = 1.

    It bounds λ_min of the paper's kernel from above when all paths that meet before an operation
    have equal depth; elsewhere the convexity of f makes it too small (Jensen). It does not bound
    λ_min of the exact kernel: over the 4-node DAGs and 128 MNIST images, 85 of 662 exceed it.

    Arguments and errors are those of `nngp_kernel`; N ≥ 2.
    """
    nodes = _incoming(dag)
    K, _ = _input_moments(inputs, stem)
    if len(K) < 2:
        raise ValueError("inputs must hold at least 2 samples: the bound is over pairs, given 1")
    return float(_in_range(lambda: _smaller_eigenvalues(K, _paths_by_depth(nodes)).min()))


def _smaller_eigenvalues(K: Tensor, paths: Counter[int]) -> Tensor:
    """Of the 2 × 2 kernels of all pairs, for so many paths of each depth; ∞ for i = j."""
    total = torch.zeros_like(K)
    for depth in range(max(paths) + 1):
        total += float(paths[depth]) * K
        K = _relu_moments(K)
    diagonal = total.diagonal()
    half_sum = (diagonal[:, None] + diagonal) / 2
    half_gap = (diagonal[:, None] - diagonal) / 2
    smaller = half_sum - torch.hypot(half_gap, total)
    return smaller.fill_diagonal_(math.inf)


def _in_range(compute: Callable[[], Tensor]) -> Tensor:
    """Return what `compute` gives, unless there are too many paths or inputs exceed float64."""
    try:
        moments = compute()
    except OverflowError:  # a number of paths
        moments = torch.tensor(math.inf)
    if not moments.isfinite().all():
        raise ValueError("inputs, or the number of the dag's paths, are too large for float64")
    return moments


def _relu_moments(K: Tensor) -> Tensor:
    """f(K): second moments after a He-initialised Linear and a ReLU (Eq. 6)."""
    scale = K.diagonal().sqrt()
    scale = torch.outer(scale, scale)
    # A zero input has no angle: its row of f(K) is zero whatever c. Rounding may leave |c| > 1.
    c = torch.where(scale > 0, K / scale, 0.0).clamp(-1, 1)
    f = scale * (((1 - c) * (1 + c)).sqrt() + c * (math.pi - c.arccos())) / math.pi
    f.diagonal().copy_(K.diagonal())
    return f


def _relu_mean(K: Tensor) -> Tensor:
    """μ (N): mean after a He-initialised Linear and a ReLU."""
    return (K.diagonal() / math.pi).sqrt()


def _input_moments(inputs: Tensor, stem: bool) -> tuple[Tensor, Tensor]:
    """Second moments K (N, N) and means (N) of the DAG's input node."""
    if not isinstance(inputs, Tensor) or inputs.is_complex():
        given = inputs.dtype if isinstance(inputs, Tensor) else type(inputs).__name__
        raise ValueError(f"inputs must be a tensor of real numbers, given {given}")
    if inputs.layout != torch.strided or inputs.is_meta:
        kind = "no data" if inputs.is_meta else str(inputs.layout)
        raise ValueError(f"inputs must be a dense tensor, given {kind}")
    if inputs.ndim < 2 or not inputs.numel():
        raise ValueError(
            f"inputs must be of shape (N, …) and not empty, given {tuple(inputs.shape)}"
        )
    x = inputs.detach().flatten(1).double()
    if bad := int((~x.isfinite()).sum()):
        raise ValueError(f"inputs must be finite, given {bad} entries that are not")
    K = x @ x.T / x.shape[1]
    K = (K + K.T) / 2
    # Without a stem the neurons of the input node are the features: moments are over these.
    return (_relu_moments(K), _relu_mean(K)) if stem else (K, x.mean(1))


def _paper(nodes: _Incoming, K: Tensor) -> Tensor:
    """Lemma 3.2: kernels of branches add up."""
    kernels = {0: K}
    after_relu: dict[int, Tensor] = {}
    for node, edges in nodes.items():
        kernels[node] = torch.zeros_like(K)
        for source, operation in edges:
            if operation and source not in after_relu:
                after_relu[source] = _relu_moments(kernels[source])
            kernels[node] += after_relu[source] if operation else kernels[source]
    return kernels[len(nodes)]


def _exact(nodes: _Incoming, K: Tensor, mean: Tensor) -> Tensor:
    """K = M Mᵀ + Σ_e n_e² Cov_e with M = Σ_e n_e μ_e, over independent sources e.

    A source is the DAG's input or one operation edge: given what it reads, its neurons are
    independent of all others'. It arrives at a node n_e times, once per skip-only path from its
    head. Sources are named (tail, head, number): those with one tail share mean and covariance.
    """
    moments = {-1: (mean, K - torch.outer(mean, mean))}
    sources: dict[int, Counter[_Source]] = {0: Counter({(-1, 0, 0): 1})}
    for node, edges in nodes.items():
        sources[node] = Counter()
        for number, (source, operation) in enumerate(edges):
            if not operation:
                sources[node].update(sources[source])
                continue
            if source not in moments:
                K = _second_moments(sources[source], moments)
                mu = _relu_mean(K)
                moments[source] = (mu, _relu_moments(K) - torch.outer(mu, mu))
            sources[node][source, node, number] = 1
    return _second_moments(sources[len(nodes)], moments)


def _second_moments(sources: Counter[_Source], moments: dict[int, tuple[Tensor, Tensor]]) -> Tensor:
    """Second moments of a sum of independent sources, each with its multiplicity."""
    first: Counter[int] = Counter()
    squared: Counter[int] = Counter()
    for (tail, _, _), n in sources.items():
        first[tail] += n
        squared[tail] += n * n
    M = torch.stack([float(n) * moments[tail][0] for tail, n in first.items()]).sum(0)
    K = torch.outer(M, M)
    for tail, square in squared.items():
        K += float(square) * moments[tail][1]
    return K


def _paths_by_depth(nodes: _Incoming) -> Counter[int]:
    """Count the input→output paths with 0, 1, 2, … operations."""
    paths: dict[int, Counter[int]] = {0: Counter({0: 1})}
    for node, edges in nodes.items():
        paths[node] = Counter()
        for source, operation in edges:
            for depth, count in paths[source].items():
                paths[node][depth + operation] += count
    return paths[len(nodes)]


def _incoming(dag: "HasGraph | nx.DiGraph[Any]") -> _Incoming:
    """The edges of a DAG's input→output paths, its nodes numbered in topological order."""
    graph = dag.graph if not isinstance(dag, nx.Graph) and isinstance(dag, HasGraph) else dag
    if not isinstance(graph, nx.DiGraph):
        raise ValueError(f"dag must be a DAG or its networkx graph, given {type(dag).__name__}")
    if not nx.is_directed_acyclic_graph(graph):
        raise ValueError("dag must be acyclic, given a graph with a cycle")
    inputs, output = graph.graph.get("inputs", ()), graph.graph.get("output")
    if len(inputs) != 1 or inputs[0] not in graph or output not in graph:
        raise ValueError(
            "dag must name one of its nodes in graph['inputs'] and one in graph['output'], "
            f"given {inputs!r} and {output!r}"
        )
    crossed = nx.descendants(graph, inputs[0]) & (nx.ancestors(graph, output) | {output})
    if output not in crossed:
        raise ValueError(f"dag must have a path from {inputs[0]!r} to {output!r}, given none")
    number = {inputs[0]: 0}
    nodes: _Incoming = {}
    for node in nx.topological_sort(graph):
        if node not in crossed:
            continue
        number[node] = len(number)
        nodes[number[node]] = []
        operations: object
        for source, _, operations in graph.in_edges(node, data="operations"):
            if operations not in (0, 1):
                raise ValueError(
                    "dag must have 0 (skip) or 1 (operation) as the operations of every edge, "
                    f"given {operations!r} on {source!r}→{node!r}"
                )
            if source in number:
                nodes[number[node]].append((number[source], operations == 1))
    return nodes
