"""NNGP kernels of the paper's three DAGs by the paper's recursion, against one pair at a time."""

import itertools
import math
from collections.abc import Iterator

import torch
from _measure import Bench, Pair, Result, main
from torch import Tensor

from models.indicators.nngp import nngp_kernel
from models.topology import Dag

PAPER_DAGS = ("2_02_002", "1_01_222", "2_21_112")


def f(k_ii: float, k_jj: float, k_ij: float) -> float:
    """The kernel after an operation."""
    c = max(-1.0, min(1.0, k_ij / math.sqrt(k_ii * k_jj)))
    return math.sqrt(k_ii * k_jj) * (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / math.pi


def one_pair(dag: Dag, k_ii: float, k_jj: float, k_ij: float) -> float:
    """The paper's recursion on two inputs, as it is printed."""
    kernels = {0: [k_ii, k_jj, f(k_ii, k_jj, k_ij)]}
    for source, target, value in dag.active_edges():
        k = kernels[source]
        edge = k if value == 1 else [k[0], k[1], f(*k)]
        kernels[target] = [a + b for a, b in zip(kernels.get(target, [0, 0, 0]), edge, strict=True)]
    return kernels[dag.output][2]


def pair_by_pair(inputs: Tensor) -> list[Tensor]:
    """Every entry of the kernels, the upper triangles alone."""
    n = len(inputs)
    G = (inputs @ inputs.T / inputs.shape[1]).tolist()
    kernels = []
    for dag in map(Dag.parse, PAPER_DAGS):
        K = torch.zeros(n, n, dtype=torch.float64)
        for i, j in itertools.combinations_with_replacement(range(n), 2):
            K[i, j] = K[j, i] = one_pair(dag, G[i][i], G[j][j], G[i][j])
        kernels.append(K)
    return kernels


def measure(bench: Bench) -> Iterator[Result]:
    """N inputs of MNIST's size."""
    at, sizes = bench.pick((100, (250, 500, 1000, 2000)), (4, (4, 8)))

    def prepare(count: int) -> Pair:
        inputs = torch.randn(count, 784, dtype=torch.float64)

        def ours() -> list[Tensor]:
            return [nngp_kernel(Dag.parse(dag), inputs, recursion="paper") for dag in PAPER_DAGS]

        return Pair(ours, lambda: pair_by_pair(inputs))

    yield bench.measure(
        f"NNGP kernels of the paper's three DAGs, {at} inputs",
        prepare,
        of="inputs",
        sizes=sizes,
        at=at,
        naive="pair by pair",
        agree=lambda ours, naive: all(
            torch.allclose(a, b, rtol=1e-7) for a, b in zip(ours, naive, strict=True)
        ),
        repeats=5,
    )


if __name__ == "__main__":
    main("nngp", measure)
