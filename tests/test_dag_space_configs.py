"""The configurations of a whole space of DAGs, shortened, through the command line."""

from pathlib import Path

import pytest

from callbacks.dag_space_table import read_csv
from lightning_app.cli import main

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
SHORT = [
    "--trainer.max_epochs=1",
    "--trainer.limit_train_batches=2",
    "--trainer.enable_progress_bar=false",
    "--trainer.callbacks.init_args.probe_size=4",
    "--model.width=4",
    "--model.repeats=1",
]


def run(name: str, folder: Path, *arguments: str) -> None:
    config = str(CONFIGS / f"{name}.yaml")
    logger = f"--trainer.logger.init_args.save_dir={folder}"
    main(["fit", "--config", config, logger, *SHORT, *arguments])
    table = read_csv(folder / name / "version_0" / "dag_space" / "members.csv")
    assert len(table.dags) == 260
    assert list(table.curves["train_accuracy"]) == [1]


def test_digits(tmp_path: Path) -> None:
    run("dag_space_digits", tmp_path)


@pytest.mark.real_data
def test_mnist(tmp_path: Path, shared_data: Path) -> None:
    run("dag_space_mnist", tmp_path, f"--data.root={shared_data}", "--data.download=false")
