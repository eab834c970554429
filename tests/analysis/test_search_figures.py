"""Figures of a search, by what they hold."""

import numpy as np
import pytest

from models.analysis import search_figures
from models.analysis.search_figures import Places, scores_by_text, scores_figure
from models.spaces import NasBench201Space
from models.topology import NasBench201Cell, effective_depth_width

SPACE = NasBench201Space()
PLACES = Places(SPACE)
CELLS = [
    str(NasBench201Cell(operations))
    for operations in (
        ("nor_conv_3x3",) * 6,
        ("nor_conv_3x3", "none", "nor_conv_1x1", "skip_connect", "none", "nor_conv_3x3"),
        ("skip_connect",) * 6,
    )
]


def test_scores_of_several_stages_are_put_together_as_means() -> None:
    first = [{"candidate": "a", "scores": {"x": [1.0, 3.0]}}, {"candidate": "b", "error": "no"}]
    second = [{"candidate": "a", "scores": {"y": [5.0]}}, {"candidate": "c", "refused": "large"}]
    history = [{"candidates": first}, {"candidates": second}]
    assert scores_by_text(history) == {"a": {"x": 2.0, "y": 5.0}, "b": {}}


def test_points_lie_at_depth_and_width_and_the_star_at_the_winner() -> None:
    scores = {CELLS[0]: {"x": 1.0}, CELLS[1]: {"x": 2.0}, CELLS[2]: {}}
    figure = scores_figure(PLACES, scores, "x", CELLS[1])
    for panel, index in zip(figure.axes[:2], (0, 1), strict=True):
        places = [effective_depth_width(SPACE.parse(cell))[index] for cell in CELLS]
        points, star = (one.get_offsets() for one in panel.collections)
        np.testing.assert_allclose(points, [(places[0], 1.0), (places[1], 2.0)])
        np.testing.assert_allclose(star, [(places[1], 2.0)])
        (without,) = [line for line in panel.lines if line.get_marker() == "|"]
        assert list(without.get_xdata()) == [places[2]]
    assert sum(bar.get_width() for bar in figure.axes[2].patches) == 2
    assert figure.get_suptitle() == "2 of 3 scored; star: ahead"


def test_what_was_filtered_or_failed_lies_at_its_depth_and_width() -> None:
    scores: dict[str, dict[str, float]] = {CELLS[0]: {"x": 1.0}, CELLS[1]: {}}
    figure = scores_figure(PLACES, scores, "x", CELLS[0], refused=[CELLS[2]])
    plane = figure.axes[3]
    places = [effective_depth_width(SPACE.parse(cell)) for cell in CELLS]
    marks = {line.get_marker(): line.get_xydata().tolist() for line in plane.lines}
    assert marks == {"x": [list(places[2])], ".": [list(places[1])]}
    for points in plane.collections:
        np.testing.assert_allclose(points.get_offsets(), [places[0]])
    assert figure.get_suptitle() == "1 of 2 scored; star: ahead; ×: filtered"


@pytest.mark.parametrize(("higher", "line"), [(True, [2, 2, 3]), (False, [2, 1, 1])])
def test_the_best_so_far_in_the_order_of_evaluation(higher: bool, line: list[float]) -> None:
    scores = {cell: {"x": value} for cell, value in zip(CELLS, (2.0, 1.0, 3.0), strict=True)}
    order = scores_figure(PLACES, scores, "x", CELLS[0], higher_is_better=higher).axes[4]
    points, best = (one.get_xydata().tolist() for one in order.lines)
    assert points == [[1, 2], [2, 1], [3, 3]]
    assert best == [[1, line[0]], [2, line[1]], [3, line[2]]]


def test_of_many_architectures_some_are_drawn_and_all_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search_figures, "_POINTS", 2)
    scores = {cell: {"x": float(i)} for i, cell in enumerate(CELLS)}
    figure = scores_figure(PLACES, scores, "x", CELLS[1])
    points, star = figure.axes[0].collections
    assert points.get_offsets()[:, 1].tolist() == [0.0, 2.0]
    assert star.get_offsets()[:, 1].tolist() == [1.0]
    assert sum(bar.get_width() for bar in figure.axes[2].patches) == 3
