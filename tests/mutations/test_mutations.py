"""The tests are worth their time: every formula that is broken on purpose makes one of them fail.

Each mutation is applied to a copy of the source, whose own tests then run there.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("lightning_app", "callbacks", "datamodules", "models", "tests", "pyproject.toml")
ASSERTIONS = {"AssertionError", "Failed"}  # `Failed`: an exception that was expected did not come

pytestmark = pytest.mark.slow


class Mutation(NamedTuple):
    """A mistake in one formula, and the tests that must notice it."""

    formula: str
    file: str
    source: str
    mutated: str
    tests: str


DEPTH_WIDTH = "tests/topology/test_depth_width.py"
SUPERNET_GRAPH = "tests/topology/test_supernet_graph.py"
FILTER = "tests/search/test_depth_width_filter.py"
PRUNING = "tests/search/test_pruning_rules.py"
PRUNING_SEARCH = "tests/test_pruning_search.py"
SAMPLING = "tests/search/test_sampling_rules.py"
NTK = "tests/indicators/test_ntk.py"
SPECTRUM = "tests/indicators/test_spectrum.py"
NNGP = "tests/indicators/test_nngp.py"
OVERLAP = "tests/indicators/test_activation_overlap.py"
REGIONS = "tests/indicators/test_linear_regions.py"
INITIALISATION = "tests/networks/test_initialisation.py"

MUTATIONS = [
    # Effective depth and width
    Mutation(
        "depth: an operation counts once per path that leads to it",
        "models/topology/depth_width.py",
        "probability * (before.depth + operations * before.mass)",
        "probability * (before.depth + operations)",
        DEPTH_WIDTH,
    ),
    Mutation(
        "depth: several inputs are weighted by their number of path variants",
        "models/topology/depth_width.py",
        "(paths.variants * Fraction(paths.depth) / paths.mass for",
        "(Fraction(paths.depth) / paths.mass for",
        DEPTH_WIDTH,
    ),
    Mutation(
        "width: paths without an operation do not count",
        "models/topology/depth_width.py",
        "paths.mass - paths.shallow for",
        "paths.mass for",
        DEPTH_WIDTH,
    ),
    Mutation(
        "width: divided by the depth",
        "models/topology/depth_width.py",
        "_to_float(deep / depth)",
        "_to_float(deep)",
        DEPTH_WIDTH,
    ),
    Mutation(
        "supernet: the probability of an operation is its share",
        "models/topology/supernet.py",
        "Fraction(len(names), len(kept))",
        "Fraction(1, len(kept))",
        SUPERNET_GRAPH,
    ),
    Mutation(
        "NAS-Bench-201: the order of the edges",
        "models/topology/nasbench201.py",
        "((0, 1), (0, 2), (1, 2), (0, 3)",
        "((0, 1), (1, 2), (0, 2), (0, 3)",
        DEPTH_WIDTH,
    ),
    Mutation(
        "DARTS: pooling counts 0",
        "models/topology/darts.py",
        "int(operation in self.PARAMETERISED)",
        "int(operation != 'none')",
        DEPTH_WIDTH,
    ),
    # Filter
    Mutation(
        "filter: radii are half the extent of the space",
        "models/search/depth_width_filter.py",
        "Fraction(self.radius) * (high - low) / 2",
        "Fraction(self.radius) * (high - low)",
        f"{FILTER}::test_the_paper_s_rule",
    ),
    Mutation(
        "filter: the centre lies between the extremes",
        "models/search/depth_width_filter.py",
        "(low + high) / 2",
        "(low - high) / 2",
        f"{FILTER}::test_the_paper_s_rule",
    ),
    Mutation(
        "filter: the published half radius of DARTS",
        "models/search/depth_width_filter.py",
        'Fraction("2.9")',
        'Fraction("3.0")',
        f"{FILTER}::test_the_paper_s_rule",
    ),
    Mutation(
        "filter: every cell counts",
        "models/search/depth_width_filter.py",
        "return all(",
        "return any(",
        f"{FILTER}::test_every_cell_of_darts_counts",
    ),
    # Empirical NTK
    Mutation(
        "NTK: F is the sum of the logits",
        "models/indicators/ntk.py",
        "[outputs.sum(1)]",
        "[outputs.mean(1)]",
        f"{NTK}::test_equals_a_loop_of_backward_passes",
    ),
    Mutation(
        "NTK: the trace adds the kernels of single logits",
        "models/indicators/ntk.py",
        "outputs.unbind(1)",
        "[outputs.sum(1)]",
        f"{NTK}::test_equals_a_loop_of_backward_passes",
    ),
    Mutation(
        "NTK: frozen and coupled",
        "models/indicators/ntk.py",
        'batch_norm == "coupled" and',
        'batch_norm == "frozen" and',
        f"{NTK}::test_equals_a_loop_of_backward_passes",
    ),
    Mutation(
        "NTK: the variance that stays constant",
        "models/indicators/_frozen_batch_norm.py",
        "inverse_std.pow(-2) - module.eps",
        "inverse_std.pow(-2)",
        f"{NTK}::test_equals_a_loop_of_backward_passes",
    ),
    Mutation(
        "NTK: samples that depend on each other are noticed up to rounding",
        "models/indicators/_checks.py",
        "3 * math.sqrt(torch.finfo(first.dtype).eps)",
        "1e-3",
        f"{NTK}::test_equals_a_loop_of_backward_passes",
    ),
    Mutation(
        "NTK: weights only",
        "models/indicators/ntk.py",
        'or "weight" in name',
        'or "weight" not in name',
        f"{NTK}::test_equals_a_loop_of_backward_passes",
    ),
    Mutation(
        "condition number: the largest eigenvalue over the smallest",
        "models/indicators/_spectrum.py",
        "lambda_max / lambda_min if",
        "lambda_min / lambda_max if",
        SPECTRUM,
    ),
    Mutation(
        "condition number: singular up to N eps lambda_max",
        "models/indicators/_spectrum.py",
        "len(kernel) * torch.finfo(precision).eps * lambda_max",
        "torch.finfo(precision).eps * lambda_max",
        SPECTRUM,
    ),
    Mutation(
        "condition number: of a singular kernel infinite, not negative",
        "models/indicators/_spectrum.py",
        "if lambda_min > resolved else",
        "if lambda_min != 0 else",
        SPECTRUM,
    ),
    # Forward-only scores
    Mutation(
        "linear regions: distinct rows",
        "models/indicators/linear_regions.py",
        "len({row.tobytes() for row in rows})",
        "len([row.tobytes() for row in rows])",
        REGIONS,
    ),
    Mutation(
        "overlap: half of s s' + L",
        "models/indicators/activation_overlap.py",
        "alpha=0.5",
        "alpha=1.0",
        OVERLAP,
    ),
    Mutation(
        "overlap: L is added",
        "models/indicators/activation_overlap.py",
        "s @ s.T + part.shape[1]",
        "s @ s.T - part.shape[1]",
        OVERLAP,
    ),
    # NNGP
    Mutation(
        "NNGP: f divides by pi",
        "models/indicators/nngp.py",
        "(math.pi - c.arccos())) / math.pi",
        "(math.pi - c.arccos()))",
        f"{NNGP}::test_paper_recursion_equals_scalar_recursion",
    ),
    Mutation(
        "NNGP: f subtracts arccos c from pi",
        "models/indicators/nngp.py",
        "math.pi - c.arccos()",
        "math.pi + c.arccos()",
        f"{NNGP}::test_paper_recursion_equals_scalar_recursion",
    ),
    Mutation(
        "NNGP: the stem divides by n_in",
        "models/indicators/nngp.py",
        "x @ x.T / x.shape[1]",
        "x @ x.T",
        f"{NNGP}::test_paper_recursion_equals_scalar_recursion",
    ),
    Mutation(
        "NNGP: the mean of a ReLU is the root of K over pi",
        "models/indicators/nngp.py",
        "(K.diagonal() / math.pi).sqrt()",
        "(K.diagonal() / (2 * math.pi)).sqrt()",
        f"{NNGP}::test_exact_equals_cross_kernel_recursion",
    ),
    Mutation(
        "NNGP: branches correlate by the product of their means",
        "models/indicators/nngp.py",
        "K = torch.outer(M, M)",
        "K = torch.zeros_like(torch.outer(M, M))",
        f"{NNGP}::test_exact_equals_cross_kernel_recursion",
    ),
    Mutation(
        "NNGP: a source that arrives n times counts n squared times",
        "models/indicators/nngp.py",
        "squared[tail] += n * n",
        "squared[tail] += n",
        f"{NNGP}::test_exact_equals_cross_kernel_recursion",
    ),
    Mutation(
        "NNGP: the mean of a node sums over its edges",
        "models/indicators/nngp.py",
        "first[tail] += n",
        "first[tail] = n",
        f"{NNGP}::test_exact_equals_cross_kernel_recursion",
    ),
    Mutation(
        "bound: what paths have in common is subtracted",
        "models/indicators/nngp.py",
        "half_sum - torch.hypot",
        "half_sum + torch.hypot",
        f"{NNGP} -k bound",
    ),
    Mutation(
        "bound: every path of a depth counts",
        "models/indicators/nngp.py",
        "float(paths[depth]) * K",
        "float(paths[depth] > 0) * K",
        f"{NNGP} -k bound",
    ),
    # Pruning
    Mutation(
        "pruning: a lower condition number is a gain, fewer regions a loss",
        "models/search/pruning.py",
        "change if higher_is_better else -change",
        "-change if higher_is_better else change",
        PRUNING,
    ),
    Mutation(
        "pruning: gains are relative",
        "models/search/pruning.py",
        "(without - base) / abs(base) if",
        "(without - base) if",
        PRUNING,
    ),
    Mutation(
        "pruning: the highest gain has the first rank",
        "models/search/pruning.py",
        "sorted(set(rounded), reverse=True)",
        "sorted(set(rounded))",
        PRUNING,
    ),
    Mutation(
        "pruning: ties are compared after rounding",
        "models/search/pruning.py",
        "rounded = [round(value, precision) for value in values]",
        "rounded = list(values)",
        PRUNING,
    ),
    Mutation(
        "pruning: ranks are added",
        "models/search/pruning.py",
        "sum(r[i] for r in per_score)",
        "min(r[i] for r in per_score)",
        PRUNING,
    ),
    Mutation(
        "reserve: prune_number + 1 candidates stay to compare",
        "models/search/pruning.py",
        "len(group.candidates) - group.prune_number - 1",
        "len(group.candidates) - group.prune_number",
        PRUNING,
    ),
    Mutation(
        "reserve: the nearest to the centroid",
        "models/search/pruning.py",
        "key=lambda i: (distances[i], i)",
        "key=lambda i: (-distances[i], i)",
        PRUNING,
    ),
    Mutation(
        "pruning: every repeat has weights of its own",
        "models/pruning_search.py",
        "else (self.round, repeat)",
        "else (self.round,)",
        f"{PRUNING_SEARCH}::test_repeats_differ_and_seeds_repeat",
    ),
    Mutation(
        "DARTS: two of the edges into a node stay",
        "models/spaces/darts.py",
        "edges_per_group = 2",
        "edges_per_group = 1",
        PRUNING,
    ),
    Mutation(
        "DARTS: which edges enter a node",
        "models/spaces/darts.py",
        "((0, 2), (2, 5), (5, 9), (9, 14))",
        "((0, 2), (2, 6), (6, 9), (9, 14))",
        PRUNING,
    ),
    Mutation(
        "initialisation: the variance is 2 over fan",
        "models/networks/initialisation.py",
        'nonlinearity="relu"',
        'nonlinearity="linear"',
        INITIALISATION,
    ),
    # Sampling
    Mutation(
        "sampling: what lower is better for wins when it is low",
        "models/search/sampling.py",
        "sign = 1 if indicator.higher_is_better else -1",
        "sign = 1",
        SAMPLING,
    ),
    Mutation(
        "sampling: the first drawn wins a tie",
        "models/search/sampling.py",
        "(merit, -i) for i, merit",
        "(merit, i) for i, merit",
        SAMPLING,
    ),
    Mutation(
        "sampling: only what the filter keeps can win",
        "models/search/sampling.py",
        "own = [i for i in drawn if kept[i]]",
        "own = drawn",
        SAMPLING,
    ),
]

Run = Callable[..., tuple[int, set[str]]]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs pytest in a folder: its exit code, and what failed tests raised."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("runner.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdin
        assert process.stdout
        requests, answers = process.stdin, process.stdout

        def ask(folder: Path, *arguments: str) -> tuple[int, set[str]]:
            print(json.dumps([str(folder), *arguments]), file=requests, flush=True)
            code, raised = json.loads(answers.readline())
            return code, set(raised)

        yield ask
        requests.close()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The source and its tests."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("tests", dict.fromkeys(m.tests for m in MUTATIONS))
def test_the_source_as_it_is_passes(tests: str, copy: Path, run: Run) -> None:
    code, raised = run(copy, *tests.split())
    assert (code, raised) == (0, set()), (copy / "output.txt").read_text()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.formula)
def test_a_mutation_is_noticed(mutation: Mutation, copy: Path, run: Run) -> None:
    path = copy / mutation.file
    text = path.read_text(encoding="utf-8")
    found = text.count(mutation.source)
    assert found == 1, (
        f"{mutation.file} has {mutation.source!r} {found} times, expected once: "
        "the source has changed, and the mutation must follow"
    )
    path.write_text(text.replace(mutation.source, mutation.mutated), encoding="utf-8")
    code, raised = run(copy, "-x", *mutation.tests.split())
    output = (copy / "output.txt").read_text()
    assert code != 0, f"{mutation.tests} passes though {mutation.source!r} is {mutation.mutated!r}"
    assert code == 1, output
    assert raised <= ASSERTIONS, output
