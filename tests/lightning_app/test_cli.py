"""The command line: runs, checkpoints, and one clear line for every mistake."""

import re
import sys
from pathlib import Path

import pytest
import torch
from jsonargparse import ArgumentError

from lightning_app.cli import main

QUICKSTART = Path(__file__).parents[2] / "configs" / "quickstart.yaml"
FAST = ["--trainer.fast_dev_run", "true"]
pytestmark = pytest.mark.usefixtures("command_line")
BARE = ["--trainer.callbacks", "null", "--trainer.logger", "false", "--model.width", "8"]


def error(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """The one line of a run that must end with exit code 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        main(list(args))
    assert exit_.value.code == 2
    stderr = capsys.readouterr().err
    lines = [line for line in stderr.splitlines() if line.startswith("lightning: error: ")]
    assert len(lines) == 1
    assert stderr.endswith(f"{lines[0]}\n")
    assert "Traceback" not in stderr
    return lines[0].removeprefix("lightning: error: ")


def config(old: str = "", new: str = "") -> str:
    """The quickstart with one piece replaced."""
    text = QUICKSTART.read_text()
    assert old in text
    Path("changed.yaml").write_text(text.replace(old, new, 1))
    return "changed.yaml"


@pytest.mark.parametrize(
    ("args", "line"),
    [
        # names
        ("--model.wdth 5", r"model: Option 'wdth' is not accepted; did you mean --model\.width\?$"),
        ("--trainer.max_epoch 3", r"unrecognized arg.*; did you mean --trainer\.max_epochs\?$"),
        ("--model models.Nope", "model: module 'models' has no attribute 'Nope'"),
        ("--model Nope", "model: Expected a dot import path string: Nope$"),
        ("--model", "argument --model: expected one argument"),
        ("--callbacks.NTKMonitor.seed 1", "callbacks.NTKMonitor: this run has no callbacks; add"),
        ("--epochs 3", r".*; did you mean --trainer\.(min|max)_epochs or --trainer\.m.._epochs\?$"),
        ("--data MNIST", r"data: Expected a dot .*; did you mean MNISTDataModule\?$"),
        ("--model.optimizer torch.optim.Nop", "model.optimizer: .*'torch.optim' has no .*'Nop'"),
        # types
        ("--model.width x", "model.width: Expected a <class 'int'>. Got value: x"),
        ("--model.optimizer.lr x", "model.optimizer.lr: Expected a <class 'float'>"),
        ("--seed_everything x", "seed_everything: Expected a <class 'bool'>; Expected a <class 'i"),
        (
            "--trainer.callbacks+=NTKMonitor --trainer.callbacks.batch_norm x",
            r"trainer.callbacks.batch_norm: Expected a typing.Literal\['coupled', 'frozen'\]",
        ),
        # values that a constructor refuses
        ("--model.dag 0_00_000", "dag: '0_00_000' has no path from input to output$"),
        ("--data.batch_size 0", "batch_size: 0, expected at least 1$"),
        ("--data.validation 0.0001", "validation: 0.0001 of 1438 images holds none out, expected"),
        ("--seed_everything -3", "seed_everything: -3, expected 0 to 4294967295, or true"),
        # what the data decide
        ("--model.num_classes 5", r"model\.num_classes: 5, but the images of data have 10$"),
        ("--model.in_shape [1,2,3]", r"model\.in_shape: \[1, 2, 3\], but the images of data have"),
        ("--trainer.accelerator quantum", "trainer: .*accelerator='quantum'.* Available names"),
        ("--model.optimizer.lr -1", "optimizer: Invalid learning rate: -1"),
        # missing things
        ("--model.scheduler torch.optim.lr_scheduler.StepLR", "model.scheduler: .*: step_size$"),
        ("--config nothere.yaml", "Parser key .config.: File does not exist: '.*/nothere.yaml'"),
        ("--data MNISTDataModule --data.root nowhere", "root: no file nowhere/MNIST/raw/train-im"),
        ("--ckpt_path .", r"ckpt_path: \. is a folder, expected a file$"),
        ("--ckpt_path none.ckpt", "ckpt_path: no file none.ckpt; expected a checkpoint, or one"),
        ("--ckpt_path last", "ckpt_path: no checkpoint to go on from under runs/quickstart"),
    ],
)
def test_mistakes_on_the_command_line(
    capsys: pytest.CaptureFixture[str], args: str, line: str
) -> None:
    fast = [*FAST, "--trainer.callbacks", "null"]
    assert re.match(line, error(capsys, "fit", "--config", str(QUICKSTART), *fast, *args.split()))


@pytest.mark.parametrize(
    ("args", "line"),
    [
        ("", 'expected "subcommand" to be one of {fit,validate,test,predict,export}'),
        ("fit", "the following arguments are required: fit.model; give a config: lightning fit --"),
        (
            f"fit {QUICKSTART}",
            "unrecognized arguments: .*; a config follows --config: light",
        ),
        (f"--config {QUICKSTART} fit", ".* before subcommand 'fit'; the command comes first: "),
        ("train", r"argument subcommand: invalid choice: 'train' \(choose from 'fit', "),
        ("fit --config binary.ckpt", "config: expected a YAML file, not binary; a checkpoint foll"),
        ("test --model DagMLPClassifier --model.dag 2", "data: required; give --data with a cl"),
    ],
)
def test_arguments_that_are_missing(
    capsys: pytest.CaptureFixture[str], args: str, line: str
) -> None:
    torch.save({}, "binary.ckpt")
    assert re.match(line, error(capsys, *args.split()))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("seed_everything", "seed_evrything", "Subcommand 'fit' does not accept .*'seed_evryth"),
        ("probe_size: 64", "prob_size: 64", "trainer.callbacks: Option 'prob_size' is not acc"),
        ('"2_21_112"', "2_21_112", "model.dag: Expected a <class 'str'>. Got value: 221112"),
        (
            "max_epochs: 15",
            "max_epochs: [1",
            "Problems parsing config: .* line 20",
        ),
    ],
)
def test_mistakes_in_a_config(
    capsys: pytest.CaptureFixture[str], old: str, new: str, line: str
) -> None:
    assert re.match(line, error(capsys, "fit", "--config", config(old, new), *FAST))


def test_errors_can_be_seen_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JSONARGPARSE_DEBUG", "true")
    with pytest.raises(ArgumentError, match="Expected a <class 'int'>"):
        main(["fit", "--config", str(QUICKSTART), "--model.width", "x"])
    with pytest.raises(ValueError, match="Invalid learning rate"):
        main(["fit", "--config", str(QUICKSTART), *FAST, *BARE, "--model.optimizer.lr", "-1"])


@pytest.mark.parametrize(
    ("kind", "message", "line"),
    [
        (
            torch.AcceleratorError,
            "CUDA error: an illegal memory access\nCUDA kernel errors",
            "CUDA",
        ),
        (torch.OutOfMemoryError, "CUDA out of memory. Tried to allocate 2 GiB.", "CUDA out of mem"),
    ],
)
def test_device_errors_are_one_line_even_in_a_step(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kind: type[RuntimeError],
    message: str,
    line: str,
) -> None:
    def training_step(*_: object) -> None:
        raise kind(message)

    monkeypatch.setattr("models.DagMLPClassifier.training_step", training_step)
    said = error(capsys, "fit", "--config", str(QUICKSTART), *FAST, *BARE)
    assert said.startswith(f"device: {line}")
    assert "kernel errors" not in said


def damaged(kind: str) -> str:
    """A file that is no checkpoint of the quickstart's model."""
    path = f"{kind}.ckpt"
    match kind:
        case "text":
            Path(path).write_text("hello")
        case "objects":
            torch.save({"state_dict": {}, "path": Path("x")}, path)
        case "weights":
            torch.save({"layer.weight": torch.zeros(2)}, path)
        case "cut":
            torch.save({"state_dict": {"a": torch.zeros(2000)}}, path)
            Path(path).write_bytes(Path(path).read_bytes()[:3000])
        case "other arguments":
            arguments = {"_class_path": "models.DagMLPClassifier", "dag": "2", "hidden": 3}
            torch.save({"state_dict": {}, "hyper_parameters": arguments}, path)
        case "bad value":
            arguments = {"_class_path": "models.DagMLPClassifier", "dag": "2x"}
            torch.save({"state_dict": {}, "hyper_parameters": arguments}, path)
        case "gone class":
            arguments = {"_class_path": "gone.Model", "dag": "2"}
            torch.save({"state_dict": {}, "hyper_parameters": arguments}, path)
        case "other weights":
            content = {"state_dict": {"layer.weight": torch.zeros(2)}, "loops": {}}
            torch.save(content | {"pytorch-lightning_version": "2.6.6", "epoch": 0}, path)
    return path


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("text", "ckpt_path: text.ckpt is not a checkpoint, or damaged"),
        ("objects", "ckpt_path: objects.ckpt cannot be read safely: "),
        ("weights", "ckpt_path: weights.ckpt has no 'state_dict'"),
        ("cut", "ckpt_path: cut.ckpt is not a checkpoint, or damaged"),
        ("other arguments", r"DagMLPClassifier.*unexpected keyword argument 'hidden'"),
        ("bad value", "dag: '2x' in '2x'"),
        ("gone class", "ckpt_path: .* was written by gone.Model, not models.DagMLPClassifier"),
        ("other weights", "ckpt_path: the checkpoint does not fit.* RuntimeError: .*Missing key"),
    ],
)
def test_bad_checkpoints(capsys: pytest.CaptureFixture[str], kind: str, line: str) -> None:
    args = ["test", "--config", str(QUICKSTART), *BARE, "--ckpt_path", damaged(kind)]
    assert re.match(line, error(capsys, *args))


# Bugs and bad data in somebody's own module

OWN = """
import torch
from models import ImageClassifier

class {name}(ImageClassifier):
    def __init__(self):
        super().__init__(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)), 10)
    def {hook}(self, *args, **kwargs):
        raise {error}("this")
"""


@pytest.mark.parametrize(
    ("hook", "raised", "is_bug"),
    [
        ("training_step", "ValueError", True),
        ("setup", "KeyError", True),
        ("setup", "ValueError", False),
    ],
)
def test_bugs_keep_their_traceback_and_bad_data_is_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    hook: str,
    raised: str,
    is_bug: bool,
) -> None:
    name = f"Own_{hook}_{raised}"
    Path(f"{name}.py").write_text(OWN.format(name=name, hook=hook, error=raised))
    monkeypatch.syspath_prepend(tmp_path)
    args = ["fit", "--model", f"{name}.{name}", "--data", "DigitsDataModule", *FAST]
    if is_bug:
        with pytest.raises(eval(raised), match="this"):  # noqa: S307
            main(args)
    else:
        assert error(capsys, *args) == "this"


def test_what_lightning_refuses_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    short = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1", *BARE[2:]]
    stopping = ["--trainer.callbacks", "EarlyStopping", "--trainer.callbacks.monitor", "val_loss"]
    said = error(capsys, "fit", "--config", str(QUICKSTART), *short, *stopping)
    assert said.startswith("Early stopping conditioned on metric `val_loss` which is not available")


def test_a_method_that_is_left_to_be_written_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path("unwritten.py").write_text(
        OWN.format(name="Unwritten", hook="training_step", error="NotImplementedError")
    )
    monkeypatch.syspath_prepend(tmp_path)
    args = ["fit", "--model", "unwritten.Unwritten", "--data", "DigitsDataModule", *FAST]
    assert error(capsys, *args) == "Unwritten.training_step: not implemented; this"


@pytest.mark.parametrize(
    ("option", "base", "line"),
    [
        ("--model.indicator", "models.indicators.Indicator", "model.indicator: .* is abstract; "),
        ("--data", "datamodules.ImageDataModule", "data: .* is abstract; "),
    ],
)
def test_abstract_methods_of_a_class_of_ones_own_are_named(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    option: str,
    base: str,
    line: str,
) -> None:
    module, _, name = base.rpartition(".")
    Path("half_done.py").write_text(
        f"import {module}\n\nclass Half{name}({base}):\n    num_classes = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("half_done", None)
    search = QUICKSTART.parent / "search" / "sampling_digits.yaml"
    said = error(capsys, "fit", "--config", str(search), option, f"half_done.Half{name}")
    assert re.match(f"{line}Half{name} lacks (score|load)$", said)


def test_a_bug_after_a_checkpoint_was_read_is_not_the_checkpoints(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    args = ["fit", "--config", str(QUICKSTART), *BARE]
    main([*args, "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1"])

    def configure_optimizers(self: object) -> None:
        raise ValueError("a rate of my own")

    monkeypatch.setattr("models.DagMLPClassifier.configure_optimizers", configure_optimizers)
    said = error(capsys, *args, "--ckpt_path", "checkpoints/last.ckpt")
    assert said.startswith("a rate of my own; to go on from")
