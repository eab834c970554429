"""The table of a space of DAGs, against values worked out by hand or one at a time."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from scipy import stats

from models.analysis.csv_file import write_csv
from models.analysis.dag_space_figures import report_figures
from models.analysis.dag_space_table import (
    PREDICTORS,
    DagSpaceTable,
    correlation_text,
    member_rows,
    predict,
    rank_correlations,
    read_csv,
)
from models.analysis.depth_width_map import centre_and_radii
from models.indicators import empirical_ntk
from models.indicators.nngp import nngp_kernel, paper_bound
from models.networks import DagMLP
from models.topology import Dag


class Member(NamedTuple):
    dag: Dag
    repeat: int


def table(members: int = 6, repeats: int = 1) -> DagSpaceTable:
    generator = np.random.default_rng(0)
    return DagSpaceTable(
        dags=[f"dag {i // repeats}" for i in range(members)],
        repeats=[i % repeats for i in range(members)],
        predictors={name: generator.random(members) + 0.1 for name in PREDICTORS},
        epochs_to_reach=np.array([math.inf, 3, 1, 2, math.inf, 4][:members]),
        curves={
            "train_accuracy": {e: generator.random(members) for e in (1, 2, 10)},
            "val_loss": {e: generator.random(members) for e in (1, 2, 10)},
        },
    )


def test_predictors_are_those_of_each_member() -> None:
    members = [Member(Dag.parse(t), 0) for t in ("2_02_002", "1_01_222", "2_21_112", "1")]
    networks = [DagMLP(member.dag, (1, 4, 4), 32, 3) for member in members]
    images = torch.randn(8, 1, 4, 4)
    columns = predict(members, networks, images)
    assert list(columns) == list(PREDICTORS)
    np.testing.assert_allclose(columns["effective_depth"], [3, 1, 1.25, 0])
    np.testing.assert_allclose(columns["effective_width"], [1 / 3, 3, 2.4, 0])
    assert columns["operations"].tolist() == [3, 3, 3, 0]
    assert columns["paths"].tolist() == [1, 3, 4, 1]
    for row, (member, network) in enumerate(zip(members, networks, strict=True)):
        nngp = torch.linalg.eigvalsh(nngp_kernel(member.dag, images))
        ntk = torch.linalg.eigvalsh(empirical_ntk(network, images))
        for name, expected in {
            "nngp_lambda_min": nngp[0],
            "nngp_condition_number": nngp[-1] / nngp[0],
            "ntk_lambda_min": ntk[0],
            "ntk_lambda_max": ntk[-1],
            "ntk_condition_number": ntk[-1] / ntk[0],
            "paper_bound": paper_bound(member.dag, images),
        }.items():
            assert columns[name][row] == pytest.approx(float(expected), rel=1e-6), name
    # d* = 2, r_d = 1, m* = 5/3, r_m = 4/3, from the three DAGs with an operation.
    np.testing.assert_allclose(columns["distance_from_centre"], [1, 1, 0.75, 2])


def test_a_singular_kernel_has_an_infinite_condition_number() -> None:
    member = Member(Dag.parse("2"), 0)
    image = torch.randn(1, 1, 4, 4)
    columns = predict([member], [DagMLP("2", (1, 4, 4), 8, 3)], image.expand(3, -1, -1, -1))
    assert columns["ntk_condition_number"].tolist() == [math.inf]
    assert columns["nngp_condition_number"].tolist() == [math.inf]
    assert columns["ntk_lambda_min"][0] >= 0


def test_centre_without_an_operation_or_a_spread() -> None:
    centre, radii = centre_and_radii(np.array([0.0, 0.0]), np.array([0.0, 0.0]))
    assert centre.tolist() == radii.tolist() == [0, 0]
    centre, radii = centre_and_radii(np.array([2.0]), np.array([0.5]))
    assert (centre.tolist(), radii.tolist()) == ([2, 0.5], [0, 0])


def test_repeats_are_joined() -> None:
    joined = table(repeats=3).by_dag()
    assert joined.dags == ["dag 0", "dag 1"]
    whole = table(repeats=3)
    for name, values in whole.predictors.items():
        halves = values.reshape(2, 3)
        expected = stats.gmean(halves, axis=1) if name[:2] in ("nt", "nn") else halves.mean(1)
        np.testing.assert_allclose(joined.predictors[name], expected)
    assert joined.epochs_to_reach.tolist() == [3, 4]
    np.testing.assert_allclose(
        joined.curves["train_accuracy"][10],
        whole.curves["train_accuracy"][10].reshape(2, 3).mean(1),
    )


def test_rank_correlations_are_scipy_s() -> None:
    whole = table()
    rows = {(row["predictor"], row["outcome"]): row for row in rank_correlations(whole)}
    assert len(rows) == len(PREDICTORS) * 4
    for name, x in whole.predictors.items():
        y = whole.curves["train_accuracy"][2]
        row = rows[name, "train_accuracy_2"]
        assert row["spearman"] == pytest.approx(stats.spearmanr(x, y)[0])
        assert row["kendall"] == pytest.approx(stats.kendalltau(x, y)[0])
        # Never is later than every epoch, and as late as never.
        late = np.array([9, 3, 1, 2, 9, 4])
        row = rows[name, "epochs_to_reach"]
        assert row["spearman"] == pytest.approx(stats.spearmanr(x, late)[0])
        assert row["kendall"] == pytest.approx(stats.kendalltau(x, late)[0])
        assert row["dags"] == 6


def test_text_has_a_line_per_predictor() -> None:
    correlations = rank_correlations(table())
    lines = correlation_text(correlations).splitlines()
    assert lines[0] == (
        "| predictor | epochs_to_reach: ρ, τ | train_accuracy_2: ρ, τ | train_accuracy_10: ρ, τ |"
    )
    assert len(lines) == 2 + len(PREDICTORS)
    last = correlations[3]  # of effective depth with the accuracy after the last epoch
    assert lines[2].startswith("| effective depth | ")
    assert lines[2].endswith(f" | {last['spearman']:+.2f}, {last['kendall']:+.2f} |")


def test_constant_column_has_no_correlation() -> None:
    whole = table()
    whole.epochs_to_reach[:] = math.inf
    rows = [row for row in rank_correlations(whole) if row["outcome"] == "epochs_to_reach"]
    assert all(math.isnan(row["spearman"]) and math.isnan(row["kendall"]) for row in rows)


def test_csv_goes_there_and_back(tmp_path: Path) -> None:
    whole = table(repeats=2)
    path = tmp_path / "new" / "members.csv"
    write_csv(path, member_rows(whole))
    back = read_csv(path)
    assert (back.dags, back.repeats) == (whole.dags, whole.repeats)
    for name, values in whole.predictors.items():
        np.testing.assert_array_equal(back.predictors[name], values)
    np.testing.assert_array_equal(back.epochs_to_reach, whole.epochs_to_reach)
    for name, curve in whole.curves.items():
        assert list(back.curves[name]) == list(curve)
        for epoch, values in curve.items():
            np.testing.assert_array_equal(back.curves[name][epoch], values)


def test_csv_is_whole_or_as_before(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write_csv(path, [{"a": 1}])
    with pytest.raises(ValueError, match="fields not in fieldnames"):
        write_csv(path, [{"a": 2}, {"b": 3}])
    assert path.read_text().split() == ["a", "1"]


def test_a_space_without_the_paper_s_dags_has_no_curves() -> None:
    assert set(report_figures(table())) == {"accuracy_over_depth_width", "convergence"}
