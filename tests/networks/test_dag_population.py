"""A population against its members one by one."""

import pytest
import torch
from torch.optim import SGD

from models.networks import DagMLP, initialise_
from models.networks.dag_population import DagPopulation
from models.topology.dag_space import enumerate_dags

IN_SHAPE, WIDTH, CLASSES = (1, 4, 4), 5, 3
SPACE = [str(dag) for dag in enumerate_dags(4)]
MIXED = ["2", "2_21_112", "2_02_002", "1_01_222", "2_21_112", "0_20_002_1112", "1_12", "1"]


def population(dags: list[str], seed: int = 0) -> DagPopulation:
    return DagPopulation(dags, IN_SHAPE, WIDTH, CLASSES, seed)


@pytest.mark.parametrize("dags", [SPACE[::5], MIXED, ["2_02_002"], ["1"]], ids=len)
def test_values_and_gradients_are_those_of_each_member_alone(dags: list[str]) -> None:
    together = population(dags).double()
    with torch.no_grad():
        for parameter in together.parameters():
            parameter += 0.1 * torch.randn_like(parameter)  # biases too
    x = torch.randn(6, *IN_SHAPE, dtype=torch.float64)
    weights = torch.randn(len(dags), len(x), CLASSES, dtype=torch.float64)
    alone = [together.network(index) for index in range(len(dags))]

    logits = together(x)
    (logits * weights).sum().backward()
    SGD(together.parameters(), lr=0.1).step()

    for index, network in enumerate(alone):
        assert str(network.dag) == dags[index]
        expected = network(x)
        torch.testing.assert_close(logits[index], expected)
        before = {name: value.clone() for name, value in network.state_dict().items()}
        (expected * weights[index]).sum().backward()
        SGD(network.parameters(), lr=0.1).step()
        stepped = together.network(index).state_dict()
        torch.testing.assert_close(stepped, network.state_dict())
        assert not torch.equal(stepped["readout.weight"], before["readout.weight"])


def test_initial_weights_are_those_of_a_network_alone() -> None:
    together = population(MIXED, seed=3)
    for index, (dag, _) in enumerate(together.members):
        torch.testing.assert_close(
            together.network(index).state_dict(),
            together.initial_network(index).state_dict(),
            rtol=0,
            atol=0,
        )
        assert together.initial_network(index).dag == dag


def test_initial_weights_depend_on_seed_dag_and_repeat_alone() -> None:
    few, many = population(["2_02_002"], seed=1), population([*MIXED, "2_02_002"], seed=1)
    first, second = (i for i, (dag, _) in enumerate(many.members) if str(dag) == "2_02_002")
    stem = few.network(0).state_dict()["stem.1.weight"]
    assert torch.equal(stem, many.network(first).state_dict()["stem.1.weight"])
    assert not torch.equal(stem, many.network(second).state_dict()["stem.1.weight"])
    other_seed = population(["2_02_002"], seed=2)
    assert not torch.equal(stem, other_seed.network(0).state_dict()["stem.1.weight"])
    assert [member.repeat for member in many.members] == [0, 0, 0, 0, 1, 0, 0, 0, 1]
    stems = [many.network(i).state_dict()["stem.1.weight"] for i in range(len(many.members))]
    assert not any(torch.equal(a, b) for a in stems for b in stems if a is not b)


def test_initial_network_is_drawn_by_the_package_s_initialisation() -> None:
    """Whoever has the generator can draw the same weights into a network of their own."""
    from models.networks.dag_population import _generator

    together = population(["2_21_112"], seed=5)
    network = DagMLP("2_21_112", IN_SHAPE, WIDTH, CLASSES)
    initialise_(network, "fan_in", _generator(5, together.members[0]))
    torch.testing.assert_close(together.network(0).state_dict(), network.state_dict())


def test_global_random_state_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    together = population(MIXED)
    together.initial_network(1)
    together.network(1)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_parameters_are_as_many_as_the_members_have() -> None:
    ends = 16 * WIDTH + WIDTH + WIDTH * CLASSES + CLASSES
    operations = [
        sum(v == 2 for _, _, v in m.dag.active_edges()) for m in population(SPACE).members
    ]
    expected = len(SPACE) * ends + sum(operations) * (WIDTH * WIDTH + WIDTH)
    assert sum(p.numel() for p in population(SPACE).parameters()) == expected


def test_network_is_a_copy() -> None:
    together = population(["2_02_002"])
    together.network(0).readout.weight.data.zero_()
    assert together.readout.weight.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dags": []}, r"dags: expected a list of at least one DAG string, got \[\]"),
        ({"dags": "2_02_002"}, "dags: expected a list"),
        ({"dags": ["2_02_00"]}, "group 3 of .* 2 digits"),
        ({"dags": ["2_02_000"]}, "no path"),
        ({"width": 0}, "width: expected 1 or more, got 0"),
        ({"seed": -1}, "seed: expected 0 or more, got -1"),
    ],
)
def test_errors(arguments: dict[str, object], message: str) -> None:
    good = {"dags": ["2"], "in_shape": IN_SHAPE, "width": WIDTH, "num_classes": CLASSES}
    with pytest.raises(ValueError, match=message):
        DagPopulation(**(good | arguments))


def test_images_of_another_shape_are_refused() -> None:
    population = DagPopulation(["2"], (1, 8, 8), 4, 10)
    with pytest.raises(
        ValueError, match=r"images: expected \(N, \*\(1, 8, 8\)\), got \(2, 1, 7, 7\)"
    ):
        population(torch.zeros(2, 1, 7, 7))
