"""The NNGP kernel of a DAG against scalar recursions and against wide random networks."""

import math
from itertools import product
from pathlib import Path

import networkx as nx
import pytest
import torch
from scipy.integrate import quad
from torch import Tensor
from torchvision.datasets import MNIST

from models.indicators.nngp import nngp_kernel, paper_bound
from models.indicators.spectrum import kernel_spectrum

PAPER_DAGS = ("2_02_002", "1_01_222", "2_21_112")
BRANCHED = (
    "1_12_211",
    "2_21_112",
    "1_01_222",
    "2_12_212",
    "2_22_222",
    "1_11_221",
    "2_11_111",
    "1_22_122",
    "2_20_222",
    "1_12_021",
    "2_02_212",
    "1_21_2021",
    "2_12_021_1212",
)


def dag(text: str) -> "nx.DiGraph[int]":
    """The graph of a DAG string, written down without our parser."""
    groups = text.split("_")
    graph: nx.DiGraph[int] = nx.DiGraph(inputs=(0,), output=len(groups))
    graph.add_nodes_from(range(len(groups) + 1))
    for t, group in enumerate(groups, start=1):
        for s, digit in enumerate(group[:t]):
            if digit != "0":
                graph.add_edge(s, t, operations=int(digit) - 1)
    return graph


def active(graph: "nx.DiGraph[int]") -> list[int]:
    output = graph.graph["output"]
    return [t for t in graph if nx.has_path(graph, 0, t) and nx.has_path(graph, t, output)]


def gaussian(n: int, features: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, features, generator=generator, dtype=torch.float64)


def f(k_ii: float, k_jj: float, k_ij: float) -> float:
    """2 E[relu(u) relu(v)] for (u, v) of covariance K, by integrating over the angle."""
    if not k_ii * k_jj:
        return 0.0
    theta = math.acos(max(-1.0, min(1.0, k_ij / math.sqrt(k_ii * k_jj))))
    wedge, _ = quad(
        lambda phi: math.cos(phi) * math.cos(phi - theta), theta - math.pi / 2, math.pi / 2
    )
    return 2 * math.sqrt(k_ii * k_jj) * wedge / math.pi


def moments_by_cross_kernels(text: str, inputs: Tensor, stem: bool, i: int, j: int) -> float:
    """E[x_i x_j] from the kernels between every two nodes: another form of the exact one."""
    graph = dag(text)
    x = inputs.flatten(1).tolist()
    pair = (i, j)

    def table(function):  # a symmetric-in-name 2 × 2 table over the pair of samples
        return [[function(a, b) for b in range(2)] for a in range(2)]

    raw = table(lambda a, b: math.fsum(map(math.prod, zip(x[pair[a]], x[pair[b]], strict=True))))
    raw = table(lambda a, b: raw[a][b] / len(x[0]))
    if stem:
        K = {(0, 0): table(lambda a, b: f(raw[a][a], raw[b][b], raw[a][b]))}
        M = {0: [math.sqrt(raw[a][a] / math.pi) for a in range(2)]}
    else:
        K = {(0, 0): raw}
        M = {0: [math.fsum(x[pair[a]]) / len(x[0]) for a in range(2)]}
    nodes = active(graph)
    for t in nodes[1:]:
        edges = [(s, graph.edges[s, t]["operations"]) for s in graph.predecessors(t) if s in nodes]
        mu = {s: [math.sqrt(K[s, s][a][a] / math.pi) for a in range(2)] for s, _ in edges}
        mean = {s: mu[s] if op else M[s] for s, op in edges}
        M[t] = [sum(mean[s][a] for s, _ in edges) for a in range(2)]
        for u in nodes[: nodes.index(t)]:
            K[u, t] = table(
                lambda a, b, u=u, edges=edges, mu=mu: sum(
                    M[u][a] * mu[s][b] if op else K[u, s][a][b] for s, op in edges
                )
            )
            K[t, u] = table(lambda a, b, u=u, t=t: K[u, t][b][a])

        def between(e1, e2, a, b, mu=mu):
            (s1, op1), (s2, op2) = e1, e2
            if op1 and op2:
                K1 = K[s1, s1]
                return f(K1[a][a], K1[b][b], K1[a][b]) if s1 == s2 else mu[s1][a] * mu[s2][b]
            if op1:
                return mu[s1][a] * M[s2][b]
            return M[s1][a] * mu[s2][b] if op2 else K[s1, s2][a][b]

        K[t, t] = table(
            lambda a, b, edges=edges, between=between: sum(
                between(e1, e2, a, b) for e1, e2 in product(edges, edges)
            )
        )
    output = graph.graph["output"]
    return K[output, output][0][1]


def moments_by_paper(text: str, inputs: Tensor, i: int, j: int) -> float:
    graph = dag(text)
    x = inputs.flatten(1)
    entries = [(i, i), (j, j), (i, j)]
    raw = [float(x[a] @ x[b]) / x.shape[1] for a, b in entries]

    def after(k: list[float]) -> list[float]:
        return [k[0], k[1], f(*k)]

    K = {0: after(raw)}
    nodes = active(graph)
    for t in nodes[1:]:
        K[t] = [0.0, 0.0, 0.0]
        for s in set(graph.predecessors(t)) & set(nodes):
            edge = after(K[s]) if graph.edges[s, t]["operations"] else K[s]
            K[t] = [old + new for old, new in zip(K[t], edge, strict=True)]
    return K[graph.graph["output"]][2]


@pytest.mark.parametrize("stem", [True, False])
@pytest.mark.parametrize("text", [*BRANCHED, *PAPER_DAGS, "1", "2", "0_20_012"])
def test_exact_equals_cross_kernel_recursion(text: str, stem: bool) -> None:
    inputs = gaussian(4, 5) + 0.5
    K = nngp_kernel(dag(text), inputs, stem=stem)
    for i, j in product(range(4), range(4)):
        assert K[i, j] == pytest.approx(moments_by_cross_kernels(text, inputs, stem, i, j), 1e-9)


@pytest.mark.parametrize("text", [*BRANCHED, *PAPER_DAGS, "1", "2", "0_20_012"])
def test_paper_recursion_equals_scalar_recursion(text: str) -> None:
    inputs = gaussian(4, 5)
    K = nngp_kernel(dag(text), inputs, recursion="paper")
    for i, j in product(range(4), range(4)):
        assert K[i, j] == pytest.approx(moments_by_paper(text, inputs, i, j), 1e-9)


def wide_network(text: str, inputs: Tensor, weights: dict[object, Tensor]) -> Tensor:
    """Second moments over the neurons of one random network."""
    graph = dag(text)
    width = len(weights["stem"])
    x = {0: torch.relu(inputs @ weights["stem"].T * math.sqrt(2 / inputs.shape[1]))}
    nodes = active(graph)
    for t in nodes[1:]:
        x[t] = torch.zeros_like(x[0])
        for s in set(graph.predecessors(t)) & set(nodes):
            if graph.edges[s, t]["operations"]:
                x[t] += torch.relu(x[s] @ weights[s, t].T * math.sqrt(2 / width))
            else:
                x[t] += x[s]
    output = x[graph.graph["output"]].double()
    return output @ output.T / width


@pytest.mark.slow
def test_exact_agrees_with_wide_networks() -> None:
    width, draws = 4096, 6
    inputs = gaussian(5, 16).float()
    generator = torch.Generator().manual_seed(1)
    measured = dict.fromkeys(BRANCHED, torch.zeros(5, 5, dtype=torch.float64))
    for _ in range(draws):
        weights: dict[object, Tensor] = {"stem": torch.randn(width, 16, generator=generator)}
        for t in range(1, 6):
            for s in range(t):
                weights[s, t] = torch.randn(width, width, generator=generator)
        for text in BRANCHED:
            measured[text] = measured[text] + wide_network(text, inputs, weights) / draws
        del weights
    for text, K in measured.items():
        exact, paper = (nngp_kernel(dag(text), inputs, recursion=r) for r in ("exact", "paper"))
        error = (K - exact).norm() / exact.norm()
        print(f"{text}: exact {error:.2%}, paper {(K - paper).norm() / paper.norm():.0%}")
        assert error < 0.03
        assert (K - paper).norm() / exact.norm() > 0.15


def test_recursions_agree_on_a_chain() -> None:
    inputs = gaussian(6, 9)
    exact, paper = (nngp_kernel(dag("2_02_002"), inputs, recursion=r) for r in ("exact", "paper"))
    torch.testing.assert_close(exact, paper, rtol=1e-12, atol=0)


def test_paper_underestimates_lambda_min_of_parallel_branches() -> None:
    """About 1.58 where the truth is 2.48, on eight Gaussian inputs of 64 features."""
    values = []
    for seed in range(10):
        inputs = gaussian(8, 64, seed)
        values.append(
            [
                kernel_spectrum(nngp_kernel(dag("1_12_211"), inputs, recursion=r)).lambda_min
                for r in ("paper", "exact")
            ]
        )
    paper, exact = torch.tensor(values).mean(0).tolist()
    assert paper == pytest.approx(1.58, abs=0.15)
    assert exact == pytest.approx(2.48, abs=0.25)


def test_parallel_edges_are_independent_operations() -> None:
    """Two operations between the same nodes: a diamond whose second halves are skips."""
    parallel: nx.MultiDiGraph[str] = nx.MultiDiGraph(inputs=("in",), output="out")
    parallel.add_edge("in", "out", operations=1)
    parallel.add_edge("in", "out", operations=1)
    diamond: nx.DiGraph[int] = nx.DiGraph(inputs=(0,), output=3)
    diamond.add_edge(0, 1, operations=1)
    diamond.add_edge(0, 2, operations=1)
    diamond.add_edge(1, 3, operations=0)
    diamond.add_edge(2, 3, operations=0)
    inputs = gaussian(4, 5)
    torch.testing.assert_close(nngp_kernel(parallel, inputs), nngp_kernel(diamond, inputs))
    assert paper_bound(parallel, inputs) == pytest.approx(paper_bound(diamond, inputs))


def test_takes_what_holds_a_graph_and_ignores_dead_ends() -> None:
    class Holder:
        graph = dag("2_21_112")

    inputs = gaussian(3, 5)
    with_dead_end = dag("2_21_112_0000")
    with_dead_end.graph["output"] = 3
    with_dead_end.add_edge(1, 4, operations=1)
    expected = nngp_kernel(dag("2_21_112"), inputs)
    assert torch.equal(nngp_kernel(Holder(), inputs), expected)
    assert torch.equal(nngp_kernel(with_dead_end, inputs), expected)


def path_depths(graph: "nx.DiGraph[int]") -> list[int]:
    paths = nx.all_simple_edge_paths(graph, 0, graph.graph["output"])
    return [sum(graph.edges[edge]["operations"] for edge in path) for path in paths]


@pytest.mark.parametrize("text", [*BRANCHED, *PAPER_DAGS])
def test_bound_equals_enumeration_of_paths(text: str) -> None:
    inputs = torch.nn.functional.normalize(gaussian(5, 8)) * math.sqrt(8)
    K = inputs @ inputs.T / 8
    bounds = []
    for i in range(5):
        for j in set(range(5)) - {i}:
            depths = path_depths(dag(text))
            total = 0.0
            for depth in depths:
                k = float(K[i, j])
                for _ in range(depth + 1):  # the stem is one more
                    k = f(1.0, 1.0, k)
                total += k
            bounds.append(len(depths) - total)
    assert paper_bound(dag(text), inputs) == pytest.approx(min(bounds), rel=1e-9)


@pytest.mark.parametrize("text", PAPER_DAGS)
def test_bound_is_above_lambda_min_where_paths_meet_at_equal_depth(text: str) -> None:
    for inputs in (gaussian(6, 8), gaussian(6, 8) + 2, 3 * torch.rand(10, 4)):
        K = nngp_kernel(dag(text), inputs, recursion="paper")
        assert kernel_spectrum(K).lambda_min <= paper_bound(dag(text), inputs) * (1 + 1e-9)


@pytest.mark.real_data
@pytest.mark.parametrize("recursion", ["exact", "paper"])
@pytest.mark.parametrize("n", [128, 1000])
def test_ranking_of_the_paper_on_mnist(shared_data: Path, recursion: str, n: int) -> None:
    inputs = MNIST(str(shared_data)).data[:n] / 255
    lambda_min = [
        kernel_spectrum(nngp_kernel(dag(text), inputs, recursion=recursion)).lambda_min
        for text in PAPER_DAGS
    ]
    bound = [paper_bound(dag(text), inputs) for text in PAPER_DAGS]
    assert lambda_min == sorted(set(lambda_min))
    assert bound == sorted(set(bound))


@pytest.mark.parametrize("recursion", ["exact", "paper"])
def test_degenerate_inputs(recursion: str) -> None:
    x = gaussian(3, 7)
    inputs = torch.cat([x, x[:1], 2 * x[:1], torch.zeros(1, 7), -x[:1]])
    K = nngp_kernel(dag("2_21_112"), inputs, recursion=recursion)
    assert K.dtype == torch.float64
    assert K.isfinite().all()
    assert torch.equal(K, K.T)
    torch.testing.assert_close(K[3], K[0])  # a duplicate
    torch.testing.assert_close(K[4], 2 * K[0])  # homogeneous in the norm
    assert not K[5].any()  # a zero input
    assert K[0, 6] >= 0  # an opposite input
    spectrum = kernel_spectrum(K)
    assert spectrum.condition_number == math.inf
    assert spectrum.rank == 4


def test_correlation_beyond_one_by_rounding() -> None:
    scales = torch.linspace(0.1, 3, 400, dtype=torch.float64)[:, None]
    K = nngp_kernel(dag("2_02_002"), scales * gaussian(1, 7))
    torch.testing.assert_close(K, torch.outer(K.diagonal(), K.diagonal()).sqrt())


def test_integer_images_and_leading_shape() -> None:
    images = torch.randint(0, 255, (4, 1, 3, 3), dtype=torch.uint8)
    K = nngp_kernel(dag("1_12_211"), images)
    torch.testing.assert_close(K, nngp_kernel(dag("1_12_211"), images.flatten(1).double()))


def test_scale_of_inputs_scales_the_kernel() -> None:
    inputs = gaussian(4, 5)
    K = nngp_kernel(dag("2_21_112"), inputs)
    torch.testing.assert_close(
        nngp_kernel(dag("2_21_112"), 1e-100 * inputs), 1e-200 * K, atol=0, rtol=1e-9
    )


def labelled(operations: object) -> "nx.DiGraph[int]":
    graph: nx.DiGraph[int] = nx.DiGraph(inputs=(0,), output=1)
    graph.add_edge(0, 1, operations=operations)
    return graph


def cycle() -> "nx.DiGraph[int]":
    graph = dag("2_02_002")
    graph.add_edge(2, 1, operations=0)
    return graph


def two_inputs() -> "nx.DiGraph[int]":
    graph = dag("2_02_002")
    graph.graph["inputs"] = (0, 1)
    return graph


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        ("2_21_112", "dag must be a DAG or its networkx graph, given str"),
        (nx.Graph(), "dag must be a DAG or its networkx graph, given Graph"),
        (nx.DiGraph([(0, 1)]), r"name one of its nodes .* given \(\) and None"),
        (two_inputs(), r"given \(0, 1\) and 3"),
        (cycle(), "cycle"),
        (dag("2_00"), "path from 0 to 2"),
        (labelled(2), r"given 2 on 0→1"),
        (labelled(None), r"given None on 0→1"),
    ],
)
def test_refuses_a_bad_dag(graph: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nngp_kernel(graph, torch.ones(2, 3))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (torch.ones(3), r"shape \(N, …\) and not empty, given \(3,\)"),
        (torch.ones(0, 3), r"given \(0, 3\)"),
        (torch.ones(3, 0), r"given \(3, 0\)"),
        (torch.ones(2, 3, dtype=torch.complex64), "real numbers, given torch.complex64"),
        (torch.tensor([[1.0, math.nan]]), "finite, given 1 entries"),
        ([[1.0]], "given list"),
        (torch.ones(2, 3).to_sparse(), "dense tensor, given torch.sparse_coo"),
        (torch.ones(2, 3, device="meta"), "dense tensor, given no data"),
    ],
)
def test_refuses_bad_inputs(inputs: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nngp_kernel(dag("2"), inputs)


@pytest.mark.parametrize("function", [nngp_kernel, paper_bound])
def test_refuses_what_float64_cannot_hold(function: object) -> None:
    with pytest.raises(ValueError, match="too large for float64"):
        function(dag("2_21_112"), 1e200 * gaussian(2, 3))
    ladder: nx.MultiDiGraph[int] = nx.MultiDiGraph(inputs=(0,), output=1100)
    for node in range(1100):  # 2^1100 paths
        ladder.add_edge(node, node + 1, operations=0)
        ladder.add_edge(node, node + 1, operations=0)
    with pytest.raises(ValueError, match="too large for float64"):
        function(ladder, gaussian(2, 3))


def test_half_precision_inputs_are_taken_as_they_are() -> None:
    inputs = gaussian(3, 5).half()
    K = nngp_kernel(dag("2_21_112"), inputs)
    assert torch.equal(K, nngp_kernel(dag("2_21_112"), inputs.double()))


def test_refuses_another_recursion_and_a_bound_of_one_sample() -> None:
    with pytest.raises(ValueError, match="recursion must be one of exact, paper, given 'Exact'"):
        nngp_kernel(dag("2"), torch.ones(2, 3), recursion="Exact")
    with pytest.raises(ValueError, match="at least 2 samples"):
        paper_bound(dag("2"), torch.ones(1, 3))
