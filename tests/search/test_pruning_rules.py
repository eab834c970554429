"""The rules of pruning: what competes, what is spared, what goes."""

import math

import pytest
import torch

from models.search.pruning_rules import (
    Candidate,
    Group,
    choose,
    gain,
    groups_of,
    label,
    prune,
    ranks,
    reserved,
)
from models.spaces import DartsSpace, NasBench201Space
from models.topology import effective_depth_width

NAS, DARTS = NasBench201Space(), DartsSpace()


def one_operation_per_edge() -> torch.Tensor:
    """A DARTS mask with all 14 edges of both cells, one operation on each."""
    mask = torch.zeros_like(DARTS.full_mask())
    mask[..., DARTS.operations.index("sep_conv_3x3")] = True
    return mask


def test_groups_are_edges_while_operations_are_to_be_chosen():
    groups = groups_of(NAS, NAS.full_mask(), prune_number=1)
    assert [len(g.candidates) for g in groups] == [4] * 6
    assert {g.prune_number for g in groups} == {1}
    assert all(c.operation != NAS.operations.index("none") for g in groups for c in g.candidates)


def test_an_edge_never_loses_its_last_operation():
    mask = NAS.full_mask()
    mask[0, 0, 3:] = False  # two are left
    groups = groups_of(NAS, mask, prune_number=3)
    assert groups[0].prune_number == 1
    assert groups[1].prune_number == 3


def test_an_edge_with_one_operation_does_not_compete():
    mask = NAS.full_mask()
    mask[0, 2] = False
    mask[0, 2, 3] = True
    assert len(groups_of(NAS, mask, 1)) == 5


def test_darts_then_chooses_two_edges_per_node_all_at_once():
    groups = groups_of(DARTS, one_operation_per_edge(), prune_number=3)
    assert [len(g.candidates) for g in groups] == [3, 4, 5] * 2
    assert [g.prune_number for g in groups] == [1, 2, 3] * 2
    assert [g.name for g in groups][:3] == ["normal node 3", "normal node 4", "normal node 5"]


@pytest.mark.parametrize("space", [NAS, DARTS])
def test_an_architecture_leaves_nothing_to_choose(space):
    architecture = space.random_architecture(torch.Generator().manual_seed(0))
    if space is NAS:
        architecture = NAS.parse(
            "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+"
            "|avg_pool_3x3~0|nor_conv_3x3~1|skip_connect~2|"
        )
    assert groups_of(space, space.mask_of(architecture), 1) == []


def test_labels_are_unique_and_readable():
    groups = groups_of(DARTS, DARTS.full_mask(), 1)
    labels = [label(DARTS, c) for g in groups for c in g.candidates]
    assert len(set(labels)) == len(labels) == 2 * 14 * 7
    assert labels[0] == "normal 0→2 skip_connect"
    assert label(DARTS, Candidate(1, 13, None)) == "reduce 4→5 edge"


def reserved_by_definition(space, mask, group, number):
    """The `number` candidates nearest the centroid, slowly."""
    points = {}
    for c in group.candidates:
        removed = mask.clone()
        removed[c.cell, c.edge, c.operation] = False
        points[c] = effective_depth_width(space.topology(removed[c.cell]))
    depth = sum(p.depth for p in points.values()) / len(points)
    width = sum(p.width for p in points.values()) / len(points)
    nearest = sorted(
        points, key=lambda c: round(math.hypot(points[c].depth - depth, points[c].width - width), 9)
    )
    return set(nearest[:number])


@pytest.mark.parametrize("seed", range(10))
def test_reserved_are_the_nearest_to_the_centroid(seed):
    generator = torch.Generator().manual_seed(seed)
    mask = NAS.full_mask() & (torch.rand(NAS.full_mask().shape, generator=generator) < 0.9)
    for group in groups_of(NAS, mask, 1):
        spared = reserved(NAS, mask, group, reserve=2)
        number = max(0, min(2, len(group.candidates) - 2))
        assert len(spared) == number
        assert set(spared) == reserved_by_definition(NAS, mask, group, number)


def test_reserve_leaves_one_more_than_is_pruned():
    group = groups_of(DARTS, one_operation_per_edge(), 3)[1]  # four edges, two go
    assert len(reserved(DARTS, one_operation_per_edge(), group, reserve=9)) == 1
    (edges_of_node_2,) = {g.prune_number for g in groups_of(DARTS, DARTS.full_mask(), 6)}
    assert edges_of_node_2 == 6
    group = groups_of(DARTS, DARTS.full_mask(), 6)[0]
    assert reserved(DARTS, DARTS.full_mask(), group, reserve=2) == []


def test_reserve_where_no_operation_path_is_left():
    mask = torch.zeros_like(NAS.full_mask())
    mask[..., [1, 4]] = True  # skips and pooling: depth and width are 0, not NaN
    for group in groups_of(NAS, mask, 1):
        assert reserved(NAS, mask, group, 2) == []
    mask[0, 0, 3] = True
    assert len(reserved(NAS, mask, groups_of(NAS, mask, 1)[0], 2)) == 1


def test_gain_is_relative_and_knows_the_direction():
    assert gain(200.0, 150.0, higher_is_better=False) == pytest.approx(0.25)
    assert gain(200.0, 150.0, higher_is_better=True) == pytest.approx(-0.25)
    assert gain(-4.0, -3.0, higher_is_better=True) == pytest.approx(0.25)
    assert gain(0.0, 0.0, higher_is_better=True) == 0.0
    assert gain(0.0, -1.0, higher_is_better=True) == -math.inf


def test_ties_share_a_rank_after_rounding():
    assert ranks([0.1, 0.30004, 0.2, 0.29996], precision=3) == [2, 0, 1, 0]


def group_of(*candidates: Candidate, number: int = 1) -> Group:
    return Group("group", candidates, number)


A, B, C, D = (Candidate(0, edge, operation) for edge in (0, 1) for operation in (1, 2))


def test_ranks_are_taken_over_all_groups_and_added():
    # By the first score C, A, B, D; by the second D, B, A, C: sums A 3, B 3, C 3, D 3 are ties.
    gains = {A: [0.3, 0.1], B: [0.2, 0.2], C: [0.4, 0.0], D: [0.1, 0.3]}
    assert choose([group_of(A, B), group_of(C, D)], gains, 3) == [A, C]
    gains[B] = [0.2, 0.5]
    assert choose([group_of(A, B), group_of(C, D)], gains, 3) == [B, C]
    # A is first and last, B second twice.
    gains = {A: [0.4, 0.1], B: [0.3, 0.3], C: [0.2, 0.4], D: [0.1, 0.2]}
    assert choose([group_of(A, B)], gains, 3) == [A]
    assert choose([group_of(A, B), group_of(C, D)], gains, 3) == [B, C]


def test_the_first_score_breaks_a_tie_of_sums():
    gains = {A: [0.1, 0.3], B: [0.3, 0.1]}
    assert choose([group_of(A, B)], gains, 3) == [B]
    assert choose([group_of(B, A)], gains, 3) == [B]


def test_the_prune_number_best_go():
    gains = {A: [0.1], B: [0.9], C: [0.5]}
    assert choose([group_of(A, B, C, number=2)], gains, 3) == [B, C]


def test_a_candidate_without_gains_is_never_pruned():
    assert choose([group_of(A, B)], {B: [-9.0]}, 3) == [B]
    assert choose([group_of(A, B, number=2), group_of(C, D)], {D: [0.0]}, 3) == [D]


def test_prune_removes_operations_and_edges():
    mask = prune(DARTS.full_mask(), [Candidate(0, 0, 1), Candidate(1, 13, None)])
    assert not mask[0, 0, 1]
    assert not mask[1, 13].any()
    assert int(mask.sum()) == int(DARTS.full_mask().sum()) - 1 - 7
