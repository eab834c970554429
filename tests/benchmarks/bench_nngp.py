"""NNGP kernels of the paper's three DAGs: seconds on N inputs, and against one pair at a time.

Run it from the root of the checkout: `python tests/benchmarks/bench_nngp.py`.
"""

import math
import os
import platform
import time

import torch
from torch import Tensor

from models.indicators.nngp import nngp_kernel
from models.topology import Dag

PAPER_DAGS = ("2_02_002", "1_01_222", "2_21_112")
N, FEATURES, PAIRS = 1000, 784, 2000


def f(k_ii: float, k_jj: float, k_ij: float) -> float:
    c = max(-1.0, min(1.0, k_ij / math.sqrt(k_ii * k_jj)))
    return math.sqrt(k_ii * k_jj) * (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / math.pi


def one_pair(dag: Dag, x: Tensor, y: Tensor) -> float:
    """The paper's recursion on two inputs, as it is printed."""
    n = len(x)
    k = [float(x @ x) / n, float(y @ y) / n, float(x @ y) / n]
    kernels = {0: [k[0], k[1], f(*k)]}
    for source, target, value in dag.active_edges():
        k = kernels[source]
        edge = k if value == 1 else [k[0], k[1], f(*k)]
        kernels[target] = [a + b for a, b in zip(kernels.get(target, [0, 0, 0]), edge, strict=True)]
    return kernels[dag.output][2]


def main() -> None:
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), {os.cpu_count()} cores, "
        f"{platform.processor() or platform.machine()}; N = {N}, {FEATURES} features, float64"
    )
    inputs = torch.randn(N, FEATURES, dtype=torch.float64)
    nngp_kernel(Dag.parse("2"), inputs)  # first calls allocate
    for text in PAPER_DAGS:
        dag = Dag.parse(text)
        start = time.perf_counter()
        K = nngp_kernel(dag, inputs)
        exact = time.perf_counter() - start
        start = time.perf_counter()
        K = nngp_kernel(dag, inputs, recursion="paper")
        paper = time.perf_counter() - start
        start = time.perf_counter()
        pairs = [one_pair(dag, inputs[0], inputs[1 + i % (N - 1)]) for i in range(PAIRS)]
        naive = (time.perf_counter() - start) / PAIRS * N * (N + 1) / 2
        assert abs(pairs[0] - float(K[0, 1])) < 1e-9
        print(
            f"{text}: exact {exact:.3f} s, paper {paper:.3f} s; pair by pair {naive:.1f} s "
            f"(from {PAIRS} pairs), {naive / paper:.0f} times as long"
        )


if __name__ == "__main__":
    main()
