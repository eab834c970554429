"""DAG strings: what they mean, and what is refused."""

import pytest

from models.topology import Dag


def test_edges_are_digits_at_source_in_group_of_target() -> None:
    dag = Dag.parse("2_02_102")
    assert list(dag.edges()) == [(0, 1, 2), (1, 2, 2), (0, 3, 1), (2, 3, 2)]
    assert dag.output == 3


@pytest.mark.parametrize("text", ["2", "1", "2_02_002", "1_01_222", "2_21_112", "2_00_100"])
def test_prints_what_it_parses(text: str) -> None:
    assert str(Dag.parse(text)) == text
    assert Dag.parse(f" {text}\n") == Dag.parse(text)
    assert hash(Dag.parse(text)) == hash(Dag.parse(text))


def test_graph_follows_the_convention() -> None:
    graph = Dag.parse("2_01_102").graph
    assert graph.graph["inputs"] == (0,)
    assert graph.graph["output"] == 3
    assert graph.graph["removed"] == ((0, 2), (1, 3))
    assert dict(graph.edges) == {
        (0, 1): {"operations": 1, "label": "operation"},
        (1, 2): {"operations": 0, "label": "skip"},
        (0, 3): {"operations": 0, "label": "skip"},
        (2, 3): {"operations": 1, "label": "operation"},
    }


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("2_00_200", {0, 1, 2, 3} - {1, 2}),  # 1 leads nowhere, 2 has no input
        ("2_00_022_1000", {0, 4}),
        ("2_02_002", {0, 1, 2, 3}),
        ("0_20_022", {0, 2, 3}),  # 1 has no input
    ],
)
def test_nodes_that_no_path_crosses_are_not_active(text: str, nodes: set[int]) -> None:
    dag = Dag.parse(text)
    assert dag.active_nodes == nodes
    assert all(source in nodes and target in nodes for source, target, _ in dag.active_edges())
    assert len(dag.active_edges()) < len(list(dag.edges())) or nodes == set(range(dag.output + 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' in '' is not a group"),
        ("2_2x_112", "'2x' in '2_2x_112' is not a group of digits"),
        ("2_21_1112", "group 3 of '2_21_1112' is '1112', 4 digits; group 3 has exactly 3"),
        ("2_21_132", "group 3 of '2_21_132' is '132'; the digits are 0 .no edge., 1"),
        ("2_20_000", "'2_20_000' has no path from input to output"),
        ("２", "'２' in '２' is not a group"),
        (221112, "expected a string such as '2_21_112', got 221112"),
    ],
)
def test_refusal_quotes_the_offending_part(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^dag: .*{message}"):
        Dag.parse(text)


def test_refusal_of_a_huge_string_stays_short() -> None:
    with pytest.raises(ValueError, match="100002 characters") as error:
        Dag.parse("2" * 100_000)
    assert len(str(error.value)) < 500
