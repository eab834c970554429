"""The strips of a pruning search, by what they hold."""

from typing import Any

from matplotlib.colors import to_hex

from models.analysis.pruning_figures import pruning_figure


def fields(figure: Any) -> dict[str, tuple[str, str]]:
    """What is written in each field, and its colour, by edge and operation."""
    (axes,) = figure.axes
    (image,) = axes.images
    edges, names = (
        [text.get_text() for text in labels]
        for labels in (axes.get_yticklabels(), axes.get_xticklabels())
    )
    found = {}
    for text in axes.texts:
        column, row = text.get_position()
        colour = to_hex(image.to_rgba(image.get_array())[row, column])
        found[f"{edges[row]} {names[column]}"] = text.get_text(), colour
    return found


def test_a_field_has_the_round_that_pruned_it_or_is_kept() -> None:
    history = [{"pruned": ["e 0→1 pool", "e 0→2 conv"]}, {"pruned": ["e 0→1 skip"]}]
    found = fields(pruning_figure(history, ["e 0→1 conv", "e 0→2 skip"]))
    assert {label: words for label, (words, _) in found.items()} == {
        "e 0→1 conv": "kept", "e 0→1 pool": "1", "e 0→1 skip": "2", "e 0→2 conv": "1",
        "e 0→2 skip": "kept",
    }  # fmt: skip
    green = {label for label, (_, colour) in found.items() if colour == to_hex("tab:green")}
    assert green == {"e 0→1 conv", "e 0→2 skip"}


def test_what_an_edge_had_left_goes_with_the_edge() -> None:
    history = [{"pruned": ["n 0→2 pool", "n 1→2 pool"]}, {"pruned": ["n 1→2 edge"]}]
    found = fields(pruning_figure([*history, {"pruned": ["n 2→3 conv"]}], ["n 0→2 conv"]))
    assert found["n 1→2 conv"][0] == "2"
    assert not any(label.endswith("edge") for label in found)
    assert "n 2→3 pool" not in found
