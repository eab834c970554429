"""Effective depth and width of a graph, by dynamic programming over its paths."""

import math
from collections.abc import Hashable, Iterator
from fractions import Fraction
from numbers import Integral, Real
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import networkx as nx

Exact = int | Fraction


class DepthWidth(NamedTuple):
    """Effective depth d̄ (operations per path) and effective width m̄ (paths per depth)."""

    depth: float
    width: float


@runtime_checkable
class HasGraph(Protocol):
    """Anything that holds its graph in this package's convention."""

    @property
    def graph(self) -> "nx.DiGraph[Any]":
        """The networkx graph."""
        ...


Topology: TypeAlias = "HasGraph | nx.DiGraph[Any]"


def graph_of(topology: Topology) -> "nx.DiGraph[Any]":
    """The graph of a topology: the one it holds, or itself.

    Raises:
        ValueError: neither a directed graph nor anything that holds one.
    """
    graph = topology if isinstance(topology, nx.Graph) else getattr(topology, "graph", None)
    if not isinstance(graph, nx.DiGraph):
        raise ValueError(
            "topology: expected a Dag, a cell or a directed networkx graph, got "
            f"{type(topology).__name__}"
        )
    return graph


class _Paths(NamedTuple):
    """Sums over the paths from one input to a node."""

    variants: int  # how many
    mass: Exact  # Σ p
    depth: Exact  # Σ p d
    shallow: Exact  # Σ p over paths with d = 0


def effective_depth_width(topology: Topology) -> DepthWidth:
    """Effective depth d̄ and effective width m̄ (arXiv 2205.05662, Definition 4.1).

    Over the P paths from input to output, with d_p parameterised operations on path p:
    d̄ = Σ d_p / P and m̄ = |{p : d_p > 0}| / d̄; both are 0 when d̄ = 0 or there is no path.

    Where edges carry probabilities (a supernet), every combination of parallel edges is a path
    variant whose probability p is their product. Per input, d̄ = Σ p d / Σ p; several inputs are
    averaged, weighted by their number of path variants; m̄ = Σ p 1(d > 0) / d̄.

    Paths are never enumerated: one pass in topological order keeps exact sums, integers or
    fractions, in O(V + E).

    Args:
        topology: a `Dag`, a cell, or any networkx directed acyclic (multi)graph whose edges have
            `operations` (a count) and may have `probability` in (0, 1]. Its inputs and output are
            `graph.graph["inputs"]` and `["output"]`, or else its nodes without predecessors and its
            one node without successors.

    Returns:
        (depth, width). A width beyond the range of a float is `inf`.

    Raises:
        ValueError: a cycle, an edge without a valid `operations` or `probability`, an unknown
            input or output, or none that can be inferred.
    """
    graph = graph_of(topology)
    inputs, output = _ends(graph)
    try:
        order = list(nx.topological_sort(graph))
    except nx.NetworkXUnfeasible:
        raise ValueError("topology: the graph has a cycle") from None
    incoming = {node: _incoming(graph, node) for node in order}

    per_input = [_count(order, incoming, node, output) for node in inputs]
    variants = sum(paths.variants for paths in per_input)
    total = sum(_weighted_depth(paths) for paths in per_input if paths.mass)
    if not total:
        return DepthWidth(0.0, 0.0)
    depth = Fraction(total) / variants
    deep = sum(paths.mass - paths.shallow for paths in per_input)
    return DepthWidth(_to_float(depth), _to_float(deep / depth))


def _weighted_depth(paths: _Paths) -> Exact:
    """Mean depth times the number of path variants: their sum where no edge has a probability."""
    if paths.mass == paths.variants:
        return paths.depth
    return paths.variants * Fraction(paths.depth) / paths.mass


def _count(
    order: list[Any], incoming: dict[Any, list[tuple[Any, int, Exact]]], start: Any, output: Any
) -> _Paths:
    """Sums over all paths from `start` to `output`."""
    paths = {start: _Paths(variants=1, mass=1, depth=0, shallow=1)}
    for node in order:
        variants, mass, depth, shallow = paths.get(node, (0, 0, 0, 0))
        for source, operations, probability in incoming[node]:
            before = paths.get(source)
            if before is None:
                continue
            variants += before.variants
            mass += probability * before.mass
            depth += probability * (before.depth + operations * before.mass)
            if not operations:
                shallow += probability * before.shallow
        if variants:
            paths[node] = _Paths(variants, mass, depth, shallow)
    return paths.get(output, _Paths(0, 0, 0, 0))


def _ends(graph: "nx.DiGraph[Any]") -> tuple[tuple[Hashable, ...], Hashable]:
    """Input nodes and output node of a graph."""
    inputs = tuple(graph.graph.get("inputs", [n for n, d in graph.in_degree if d == 0]))
    sinks = [n for n, d in graph.out_degree if d == 0]
    if "output" not in graph.graph and len(sinks) != 1:
        raise ValueError(
            f"topology: {len(sinks)} nodes have no successor; name the output in "
            "graph.graph['output']"
        )
    output = graph.graph.get("output", sinks[0] if sinks else None)
    if not inputs:
        raise ValueError("topology: the graph has no input; name them in graph.graph['inputs']")
    for node in (*inputs, output):
        if node not in graph:
            raise ValueError(f"topology: {node!r} is named as input or output but is no node")
    if len(set(inputs)) != len(inputs):
        raise ValueError(f"topology: an input is named twice in {inputs!r}")
    return inputs, output


def _incoming(graph: "nx.DiGraph[Any]", node: Any) -> list[tuple[Any, int, Exact]]:
    """(source, operations, probability) of every edge into `node`."""
    edges: list[tuple[Any, int, Exact]] = []
    for source, data in _edges_into(graph, node):
        operations: Any = data.get("operations")
        integral = type(operations) is int or (
            isinstance(operations, Integral) and not isinstance(operations, bool)
        )
        if not integral or operations < 0:
            raise ValueError(
                f"topology: edge {source!r}→{node!r} has operations={operations!r}, "
                "expected a count of 0 or more"
            )
        probability: Any = data.get("probability", 1)
        if probability != 1:
            if not isinstance(probability, Real) or not 0 < float(probability) <= 1:
                raise ValueError(
                    f"topology: edge {source!r}→{node!r} has probability={probability!r}, "
                    "expected a number above 0 and at most 1"
                )
            if not isinstance(probability, Fraction):
                probability = Fraction(float(probability))
        edges.append((source, int(operations), probability))
    return edges


def _edges_into(graph: "nx.DiGraph[Any]", node: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """(source, attributes) of every edge into `node`, parallel ones included."""
    for source, data in graph.pred[node].items():
        for attributes in data.values() if graph.is_multigraph() else (data,):
            yield source, attributes


def _to_float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
