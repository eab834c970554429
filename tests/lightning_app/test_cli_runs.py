"""Runs of the command line: the quickstart, checkpoints, help, and what is left behind."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_app.cli import main
from models import DagMLPClassifier
from models.topology import Dag

QUICKSTART = Path(__file__).parents[2] / "configs" / "quickstart.yaml"
FAST = ["--trainer.fast_dev_run", "true"]
BARE = ["--trainer.callbacks", "null", "--trainer.logger", "false", "--model.width", "8"]

pytestmark = pytest.mark.usefixtures("command_line")


def test_quickstart_reaches_its_accuracy_and_logs_every_tag() -> None:
    main(["fit", "--config", str(QUICKSTART)])
    (folder,) = Path("runs/quickstart").iterdir()
    seen = EventAccumulator(str(folder), {"scalars": 0, "images": 0, "histograms": 0}).Reload()
    figures = {
        f"{part}/{name}"
        for part in ("train", "val", "test")
        for name in ("loss", "accuracy", "class_accuracy")
    }
    ntk = {f"ntk/{n}" for n in ("log10_condition_number", "lambda_max", "lambda_min", "rank")}
    tags = seen.Tags()
    assert set(tags["scalars"]) >= {"effective_depth", "effective_width"} | figures | ntk
    assert (tags["images"], tags["histograms"]) == (
        ["topology", "ntk/spectrum_over_epochs"],
        ["ntk/log10_spectrum"],
    )
    assert seen.Scalars("test/accuracy")[-1].value >= 0.93
    assert [e.value for e in seen.Scalars("effective_depth")] == [1.25] * 15
    assert len(seen.Scalars("ntk/rank")) == len(seen.Histograms("ntk/log10_spectrum")) == 16


def train(*args: str) -> Path:
    """Train one epoch, and give its checkpoint."""
    main(["fit", "--config", str(QUICKSTART), *BARE, "--trainer.max_epochs", "1", *args])
    return Path("checkpoints/last.ckpt")


def evaluate(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    capsys.readouterr()
    main(["test", "--config", str(QUICKSTART), *BARE, *args])
    return capsys.readouterr().out


def test_a_checkpoint_of_the_command_line_loads_anywhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = train("--model.width", "12", "--model.dag", "1_01_222")
    stored = torch.load(path, weights_only=True)["hyper_parameters"]
    assert stored["optimizer"]["class_path"] == "torch.optim.SGD"
    assert "images" not in stored

    model = DagMLPClassifier.load_from_checkpoint(path, weights_only=True)
    assert (model.network.width, model.topology()) == (12, Dag.parse("1_01_222"))
    group = model.configure_optimizers().param_groups[0]
    assert (group["lr"], group["momentum"]) == (0.05, 0.9)

    # its arguments override those given: width 8 and another DAG
    assert "test/accuracy" in evaluate(capsys, "--ckpt_path", str(path))
    for name in ("DagMLPClassifier", "models.classifiers.dag_classifier.DagMLPClassifier"):
        args = ["--model", name, "--model.dag", "2", "--ckpt_path", str(path)]
        assert "test/accuracy" in evaluate(capsys, *args)


def test_a_checkpoint_of_python_is_taken_too(capsys: pytest.CaptureFixture[str]) -> None:
    path = train()
    content = torch.load(path, weights_only=True)
    for name in ("_class_path", "_instantiator", "optimizer"):
        del content["hyper_parameters"][name]
    content["hyper_parameters"]["width"] = 8
    torch.save(content, "python.ckpt")
    assert "test/accuracy" in evaluate(capsys, "--ckpt_path", "python.ckpt", "--model.width", "99")


def test_the_dag_of_the_command_line_is_taken_as_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for dag in ("1_01_222", "2_02_002", "2"):
        with pytest.raises(SystemExit):
            main(["fit", "--config", str(QUICKSTART), "--model.dag", dag, "--print_config"])
        printed = yaml.safe_load(capsys.readouterr().out)
        assert printed["model"]["init_args"]["dag"] == dag


@pytest.mark.parametrize(
    ("subcommand", "stages"),
    [
        ("fit", ["train", "validate", "test"]),  # the quickstart tests after it
        ("validate", ["validate"]),
        ("predict", ["predict"]),
    ],
)
def test_subcommands(subcommand: str, stages: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []
    for stage in ("train", "validate", "test", "predict"):
        name = f"on_{stage.replace('validate', 'validation')}_start"
        monkeypatch.setattr(DagMLPClassifier, name, lambda _, stage=stage: begun.append(stage))
    main([subcommand, "--config", str(QUICKSTART), *FAST, *BARE])
    assert begun == stages


def test_the_progress_bar_of_a_search_can_be_turned_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = QUICKSTART.parent / "search" / "sampling_digits.yaml"
    small = ["--model.samples", "8", "--model.batch_size", "4", "--trainer.logger", "false"]
    for shown in ("true", "false"):
        arguments = [*small, *FAST, "--trainer.enable_progress_bar", shown]
        main(["fit", "--config", str(config), *arguments])
        assert ("Round 0" in capsys.readouterr().out) is (shown == "true")


def test_evaluating_the_initialisation_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="no --ckpt_path: .* at initialisation"):
        main(["test", "--config", str(QUICKSTART), *FAST, *BARE])


def test_the_end_says_what_was_reached(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    logger = logging.getLogger("pytorch_lightning")
    logger.addHandler(caplog.handler)
    arguments = [*BARE[:2], "--model.width", "8", "--trainer.max_epochs", "1"]
    main(["fit", "--config", str(QUICKSTART), *arguments])
    logger.removeHandler(caplog.handler)
    reached = r"DagMLPClassifier, epoch 1: train/accuracy 0\.\d+, val/accuracy 0\.\d+, test/acc"
    assert re.search(reached, caplog.text)
    assert re.search(r"Written to runs/quickstart/version_0; look at it with: tensorb", caplog.text)


def written(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "config.yaml").read_text())


def test_a_run_leaves_its_config() -> None:
    main(["fit", "--config", str(QUICKSTART), "--trainer.callbacks", "null", "--model.width", "8",
          "--trainer.max_epochs", "1"])  # fmt: skip
    folder = Path("runs/quickstart/version_0")
    assert written(folder)["model"]["init_args"]["width"] == 8
    main(["fit", "--config", str(folder / "config.yaml"), *FAST])


def test_a_continued_run_leaves_a_config_that_starts_anew() -> None:
    """Or `test --config` on it would write into its folder."""
    arguments = ["fit", "--config", str(QUICKSTART), "--model.width", "8"]
    main([*arguments, "--trainer.max_epochs", "1"])
    folder = Path("runs/quickstart/version_0")
    first = written(folder)
    main([*arguments, "--trainer.max_epochs", "2", "--ckpt_path", "last"])
    assert list(Path("runs/quickstart").iterdir()) == [folder]
    second = written(folder)
    assert second["trainer"].pop("max_epochs") == 2
    assert first["trainer"].pop("max_epochs") == 1
    assert second == first


def test_arguments_of_a_callback_are_given_by_its_class() -> None:
    """And not to the last callback, which another `+=` has become."""
    short = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2"]
    given = ["--callbacks.NTKMonitor.every_n_epochs", "5", "--callbacks.NTKMonitor.probe_size", "8"]
    extra = ["--trainer.callbacks+=ModelCheckpoint", "--callbacks.TopologyMonitor", "{}"]
    main(["fit", "--config", str(QUICKSTART), "--model.width", "8", *short, *extra, *given])
    config = written(Path("runs/quickstart/version_0"))
    assert "callbacks" not in config
    topology, ntk, checkpoint = config["trainer"]["callbacks"]
    assert (ntk["init_args"]["every_n_epochs"], ntk["init_args"]["probe_size"]) == (5, 8)
    assert ntk["init_args"]["batch_norm"] == "frozen"
    assert topology["class_path"] == "callbacks.TopologyMonitor"
    assert checkpoint["init_args"]["every_n_epochs"] is None


def test_a_start_that_fails_leaves_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    args = ["fit", "--config", str(QUICKSTART), "--trainer.callbacks", "null", "--model.width", "8"]

    def fail(self: object) -> None:
        raise ValueError("no")

    with monkeypatch.context() as broken:
        broken.setattr(DagMLPClassifier, "on_train_start", fail)
        with pytest.raises(SystemExit):
            main(args)
    assert not Path("runs/quickstart").exists()
    with pytest.raises(SystemExit):  # nothing to train on
        main([*args, "--trainer.limit_train_batches", "0"])
    assert not Path("runs/quickstart").exists()
    main([*args, "--trainer.max_epochs", "1"])
    with monkeypatch.context() as broken:  # a folder that another run has made stays
        broken.setattr(DagMLPClassifier, "on_train_start", fail)
        with pytest.raises(SystemExit):
            main([*args, "--ckpt_path", "last"])
    assert Path("runs/quickstart/version_0/checkpoints/last.ckpt").exists()


def test_a_classifier_of_ones_own_goes_on_from_its_checkpoint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("own_classifier.py").write_text(
        "from torch import nn\nfrom models import ImageClassifier\n\n"
        "class OwnClassifier(ImageClassifier):\n    def __init__(self):\n"
        "        super().__init__(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), 10)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    model = ["--model", "own_classifier.OwnClassifier", "--data", "DigitsDataModule", *BARE[:4]]
    main(["fit", *model, "--trainer.max_epochs", "1"])
    main(["fit", *model, "--trainer.max_epochs", "2", "--ckpt_path", "checkpoints/last.ckpt"])
    content = torch.load("checkpoints/last.ckpt", weights_only=True)
    assert content["epoch"] == 1
    capsys.readouterr()
    main(["test", *model, "--ckpt_path", "checkpoints/last.ckpt"])
    assert "test/accuracy" in capsys.readouterr().out


def test_lightning_offers_no_other_product(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    monitored = logging.getLogger("pytorch_lightning")
    caplog.set_level("INFO")
    monitored.addHandler(caplog.handler)
    main(["fit", "--config", str(QUICKSTART), *FAST, *BARE])
    monitored.removeHandler(caplog.handler)
    assert "GPU available" in caplog.text
    assert not re.search("lit(logger|models)|TPU", caplog.text)
    assert len(logger.filters) == 1
