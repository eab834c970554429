"""Runs as tables."""

import json
from pathlib import Path

import pytest
from pytorch_lightning.loggers import TensorBoardLogger

import models.analysis
from models.analysis import read_runs
from models.analysis.flat import flat


def write(folder: Path, name: str, seed: int, accuracies: list[float]) -> Path:
    logger = TensorBoardLogger(folder, name, default_hp_metric=False)
    logger.log_hyperparams({"dag": "2_21_112", "seed": seed})
    for epoch, accuracy in enumerate(accuracies):
        logger.log_metrics({"val/accuracy": accuracy}, epoch)
    logger.save()
    logger.finalize("success")
    return Path(logger.log_dir)


def test_one_record_a_run_with_its_last_values(tmp_path: Path) -> None:
    write(tmp_path, "a", 0, [0.25, 0.5])
    write(tmp_path, "a", 1, [0.75])
    assert read_runs(tmp_path).runs == [
        {"run": f"a/version_{seed}", "hparams.dag": "2_21_112", "hparams.seed": seed,
         "val/accuracy": last}
        for seed, last in ((0, 0.5), (1, 0.75))
    ]  # fmt: skip
    assert read_runs(str(tmp_path / "a")).runs[1]["run"] == "version_1"


def test_candidates_of_a_search_with_scores_as_numbers(tmp_path: Path) -> None:
    folder = write(tmp_path, "search", 0, [])
    TensorBoardLogger(tmp_path, "search", version=0).log_metrics({"search/evaluated": 2.0}, 1)
    first = [
        {"candidate": "x", "scores": {"ntk": [1.0, 2.0]}, "costs": {"parameters": 5}},
        {"candidate": "y", "error": "no images"},
    ]
    second = [{"candidate": "z", "refused": "budget.parameters"}]
    result = {
        "architecture": "x",
        "costs": {"parameters": 5},
        "counts": {"evaluated": 2, "refused": {"budget.parameters": 1}},
        "rounds": [{"round": 0, "candidates": first}, {"round": 1, "candidates": second}],
    }
    (folder / "architecture.json").write_text(json.dumps(result))
    found = read_runs(tmp_path)
    (run,) = found.runs
    assert (
        run.items()
        >= {
            "architecture": "x",
            "costs.parameters": 5,
            "counts.evaluated": 2,
            "counts.refused.budget.parameters": 1,
        }.items()
    )
    same = {"run": "search/version_0"}
    assert found.candidates == [
        {**same, "round": 0, "candidate": "x", "scores.ntk": 1.5, "costs.parameters": 5},
        {**same, "round": 0, "candidate": "y", "error": "no images"},
        {**same, "round": 1, "candidate": "z", "refused": "budget.parameters"},
    ]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"folder: no folder .*nowhere"):
        read_runs(tmp_path / "nowhere")
    assert read_runs(tmp_path) == ([], [])


def test_the_package_has_nothing_else() -> None:
    with pytest.raises(AttributeError, match="no attribute 'read_nothing'"):
        _ = models.analysis.read_nothing


def test_nested_values_get_dotted_names() -> None:
    values = {
        "space": "darts",
        "network": {"channels": 2, "deep": {"cells": 1}},
        "objectives": [{"class": "SynFlow", "x": 1}, "parameters"],
        "in_shape": (3, 32, 32),
        "nothing": None,
        "none_of_them": [],
    }
    assert flat(values) == {
        "space": "darts",
        "network.channels": 2,
        "network.deep.cells": 1,
        "objectives": "SynFlow, parameters",
        "in_shape": "3, 32, 32",
    }
