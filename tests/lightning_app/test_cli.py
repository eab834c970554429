"""The command line: runs, checkpoints, and one clear line for every mistake."""

import re
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
        (
            "--model.wdth 5",
            r"model: models.DagMLPClassifier takes no 'wdth'; allowed: dag, in_shape",
        ),
        ("--trainer.max_epoch 3", r"--trainer.max_epoch: .* did you mean trainer.max_epochs\?"),
        ("--tst_after_fit true", r"--tst_after_fit: .* did you mean test_after_fit\?"),
        ("--foo=3", r"--foo: no such option; see lightning fit --help"),
        ("stray", r"stray: no such option"),
        (
            "--model models.Nope",
            r"model: no class 'Nope' in models; there are CellClassifier, DagCo",
        ),
        ("--model nope.Nope", r"model: No module named 'nope'"),
        ("--model Nope", r"model: no class 'Nope'; give an import path, such as models.CellCl"),
        ("--data Nope", r"data: no class 'Nope'; give .* datamodules.DigitsDataModule"),
        (
            "--trainer.callbacks+=Nope",
            r"trainer.callbacks: no class 'Nope'; .* callbacks.NTKMonitor",
        ),
        (
            "--model.optimizer torch.optim.Nop",
            r"model.optimizer: no class 'Nop' in torch.optim; .*SGD",
        ),
        # types
        ("--model.width x", r"model.width: expected an int, got x"),
        ("--model.width 1.5", r"model.width: expected an int, got 1.5"),
        ("--model.batch_norm maybe", r"model.batch_norm: expected a bool, got maybe"),
        ("--model.loss hinge", r"model.loss: expected one of 'cross_entropy', 'mse', got hinge"),
        ("--model.optimizer.lr x", r"model.optimizer.lr: expected a float"),
        ("--trainer.max_epochs x", r"trainer.max_epochs: expected an int, got x"),
        ("--seed_everything x", r"seed_everything: expected a bool or an int, got x"),
        (
            "--trainer.callbacks+=NTKMonitor --trainer.callbacks.batch_norm x",
            r"trainer.callbacks.batch_norm: expected one of 'coupled', 'frozen', got x",
        ),
        # values
        ("--model.dag 2_21_11x", r"dag: '11x' in '2_21_11x' is not a group of digits 0, 1, 2"),
        ("--model.dag 2_2", r"dag: group 2 of .2_2. is .2., 1 digits; group 2 has exactly 2"),
        ("--model.dag 0_00_000", r"dag: '0_00_000' has no path from input to output"),
        ("--model.width 0", r"width: expected 1 or more, got 0"),
        ("--data.batch_size 0", r"batch_size: 0, expected at least 1"),
        ("--data.augment spin", r"augment: 'spin', expected 'none' or any of crop, flip"),
        (
            "--trainer.callbacks+=NTKMonitor --trainer.callbacks.probe_size 1",
            r"probe_size: expected 2 or more, got 1",
        ),
        ("--trainer.accelerator quantum", r"trainer: .*accelerator='quantum'.* Available names"),
        ("--trainer.devices x", r"trainer: `devices` .* should be an int > 0"),
        ("--model.optimizer.lr -1", r"Invalid learning rate: -1"),
        # missing things
        (
            "--model.scheduler torch.optim.lr_scheduler.StepLR",
            r"model.scheduler: .* required: step_size",
        ),
        ("--config nothere.yaml", r"config: File does not exist: '.*/nothere.yaml'"),
        ("--config .", r"config: Path is not a file"),
        ("--config", r"argument -c/--config: expected one argument"),
        ("--data MNISTDataModule --data.root nowhere", r"root: no file nowhere/MNIST/raw/train-im"),
        ("--data CIFAR10DataModule --data.root nowhere", r"root: no folder nowhere/cifar-10"),
        (
            "--data ImageFolderDataModule --data.root nowhere --data.image_size 8",
            r"root: .*nowhere",
        ),
        (
            "--ckpt_path none.ckpt",
            r"ckpt_path: no file none.ckpt; expected a checkpoint, or one of",
        ),
        ("--ckpt_path last", r"ckpt_path: no run to go on with under runs/quickstart"),
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
        ("", r'expected "subcommand" to be one of {fit,validate,test,predict,export}'),
        ("fitt", r"argument subcommand: invalid choice: 'fitt' .choose from 'fit', 'validate'"),
        ("fit", r"model: required; give --model with one of models.CellClassifier"),
        ("fit --model DagMLPClassifier --data DigitsDataModule", r"model: .* are required: dag"),
        ("test --model DagMLPClassifier --model.dag 2", r"data: required; give --data with one of"),
    ],
)
def test_arguments_that_are_missing(
    capsys: pytest.CaptureFixture[str], args: str, line: str
) -> None:
    assert re.match(line, error(capsys, *args.split()))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "    width: 64",
            "    wdth: 64",
            r"model: models.DagMLPClassifier takes no 'wdth'; allowed",
        ),
        (
            "max_epochs: 15",
            "max_epoch: 15",
            r"trainer.max_epoch: .*did you mean trainer.max_epochs",
        ),
        ("seed_everything", "seed_evrything", r"seed_evrything: .*did you mean seed_everything"),
        (
            "batch_size: 64",
            "btch_size: 64",
            r"data: datamodules.DigitsDataModule takes no 'btch_size'; allowed: root, batch_size",
        ),
        (
            "lr: 0.05",
            "lx: 0.05",
            r"model.optimizer: torch.optim.SGD takes no 'lx'; allowed: lr, mom",
        ),
        (
            "probe_size: 64",
            "prob_size: 64",
            r"trainer.callbacks: callbacks.NTKMonitor takes no 'prob_size'; allowed: probe_size",
        ),
        ('"2_21_112"', "2_21_112", r"model.dag: expected a str, got 221112: quote it, or YAML"),
        ("width: 64", "width: many", r"model.width: expected an int, got many"),
        ("DagMLPClassifier", "DagMLP", r"model: no class 'DagMLP' in models; there are"),
        ("save_dir: runs", "save_dir: [1", r"config: no valid YAML: .* line 26"),
        ("    width: 64", "\twidth: 64", r"config: no valid YAML: .* line 9"),
    ],
)
def test_mistakes_in_a_config(
    capsys: pytest.CaptureFixture[str], old: str, new: str, line: str
) -> None:
    assert re.match(line, error(capsys, "fit", "--config", config(old, new), *FAST))


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words"])
def test_a_config_that_is_no_mapping(capsys: pytest.CaptureFixture[str], text: str) -> None:
    Path("x.yaml").write_text(text)
    assert re.match("config: expected lines such as", error(capsys, "fit", "--config", "x.yaml"))


def test_errors_can_be_seen_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JSONARGPARSE_DEBUG", "true")
    with pytest.raises(ArgumentError, match="Expected a <class 'int'>"):
        main(["fit", "--config", str(QUICKSTART), "--model.width", "x"])
    with pytest.raises(ValueError, match="Invalid learning rate"):
        main(["fit", "--config", str(QUICKSTART), *FAST, *BARE, "--model.optimizer.lr", "-1"])


def damaged(kind: str) -> str:
    """A file that is no checkpoint of the quickstart's model."""
    path = f"{kind}.ckpt"
    match kind:
        case "text":
            Path(path).write_text("hello")
        case "empty":
            Path(path).touch()
        case "objects":
            torch.save({"state_dict": {}, "path": Path("x")}, path)
        case "weights":
            torch.save({"layer.weight": torch.zeros(2)}, path)
        case "list":
            torch.save([torch.zeros(2)], path)
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
    ("argument", "known"),
    [("space", ".*models.spaces.DartsSpace"), ("indicator", ".*models.indicators.SynFlow")],
)
def test_a_search_s_classes_are_named(
    capsys: pytest.CaptureFixture[str], argument: str, known: str
) -> None:
    config = str(QUICKSTART.parent / "search" / "sampling_digits.yaml")
    line = error(capsys, "fit", "--config", config, f"--model.{argument}", "Nope")
    said = rf"model.{argument}: no class 'Nope'; give an import path, such as {known}"
    assert re.match(said, line), line


@pytest.mark.parametrize("subcommand", ["fit", "test"])
@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("text", "ckpt_path: text.ckpt is not a checkpoint, or damaged"),
        ("empty", "ckpt_path: empty.ckpt is not a checkpoint"),
        ("objects", "ckpt_path: objects.ckpt cannot be read safely: "),
        ("weights", "ckpt_path: weights.ckpt has no 'state_dict'"),
        ("list", "ckpt_path: list.ckpt has no 'state_dict'"),
        ("cut", "ckpt_path: cut.ckpt is not a checkpoint, or damaged"),
        ("other arguments", r"DagMLPClassifier.*unexpected keyword argument 'hidden'"),
        ("bad value", "dag: '2x' in '2x'"),
        (
            "gone class",
            "ckpt_path: gone class.ckpt was written by gone.Model, not models.DagMLPClassifier",
        ),
        ("other weights", "ckpt_path: the weights are those of another network: Missing key"),
    ],
)
def test_bad_checkpoints(
    capsys: pytest.CaptureFixture[str], subcommand: str, kind: str, line: str
) -> None:
    args = [subcommand, "--config", str(QUICKSTART), *BARE, "--ckpt_path", damaged(kind)]
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
        ("setup", "RuntimeError", True),
        ("on_train_start", "AttributeError", True),
        ("setup", "ValueError", False),
        ("configure_optimizers", "FileNotFoundError", False),
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
