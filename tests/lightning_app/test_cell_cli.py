"""From a search's file to a trained checkpoint, predictions and an exported file."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from lightning_app.cli import main
from models import ArchitectureClassifier

CONFIGS = Path(__file__).parents[2] / "configs"
CONFIG = str(CONFIGS / "train_digits.yaml")
SMALL = ["--model.sizes.channels", "4", "--trainer.enable_progress_bar", "false"]
BARE = [*SMALL, "--trainer.callbacks", "null", "--trainer.logger", "false"]
CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|nor_conv_1x1~1|none~2|"


def train(*args: str) -> Path:
    short = ["--trainer.max_epochs", "2", "--trainer.limit_train_batches", "3"]
    main(["fit", "--config", CONFIG, *BARE, *short, *args])
    return Path("checkpoints/last.ckpt")


def error(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """The one line of a run that must end with exit code 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        main(list(args))
    assert exit_.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert "Traceback" not in "".join(lines)
    (line,) = [line for line in lines if line.startswith("lightning: error: ")]
    return line.removeprefix("lightning: error: ")


@pytest.mark.usefixtures("command_line")
def test_from_a_search_to_predictions(monkeypatch: pytest.MonkeyPatch) -> None:
    search = [str(CONFIGS / "search" / "quickstart.yaml"), "--model.batch_size", "4"]
    one_round = ["--model.prune_number", "3", "--trainer.callbacks", "null"]
    main(["fit", "--config", *search, *one_round])
    found = "runs/search_quickstart/version_0/architecture.json"
    content = json.loads(Path(found).read_text())
    content["settings"]["budget"] = {"latency_ms": 1e4}  # as of a search with one
    Path(found).write_text(json.dumps(content))
    fit = [*SMALL, "--trainer.callbacks", "null", "--trainer.max_epochs", "2"]
    main(["fit", "--config", CONFIG, *fit, "--model.architecture", found])
    run = Path("runs/train_digits/version_0")
    path = run / "checkpoints" / "last.ckpt"
    model = ArchitectureClassifier.load_from_checkpoint(path, weights_only=True).eval()
    assert model.text in Path(found).read_text()

    digits = load_digits()
    for i in range(4):
        image = Image.fromarray((digits.images[i] * (255 / 16)).round().astype(np.uint8))
        file = Path("new", "sub" * (i % 2), f"{i}.png")
        file.parent.mkdir(parents=True, exist_ok=True)
        image.save(file)
    reuse = ["--config", str(run / "config.yaml"), "--ckpt_path", str(path)]
    main(["predict", *reuse, "--data.predict_folder", "new"])
    with open("runs/train_digits/version_1/predictions.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["0.png", "2.png", "sub/1.png", "sub/3.png"]
    pixels = torch.from_numpy(digits.images[[0, 2, 1, 3]] * (255 / 16)).round()[:, None]
    probabilities = model((pixels.float() / 255 - 0.3057) / 0.3760).softmax(1)
    best, classes = probabilities.max(1)
    assert [int(row["class_index"]) for row in rows] == classes.tolist()
    assert [float(row["probability"]) for row in rows] == pytest.approx(best.tolist(), abs=1e-4)

    said: list[str] = []
    monkeypatch.setattr("lightning_app.trainer.rank_zero_info", said.append)
    main(["export", *reuse])
    assert "ms a photo on one thread here, within the 10000 ms of the search's budget" in said[0]
    exported = torch.export.load(path.with_name("model.pt2")).module()
    torch.testing.assert_close(exported(pixels.byte()), probabilities, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("command_line")
@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["--model.architecture", "nothere.json"], "architecture: no file nothere.json"),
        (["--model.space", "models.spaces.DartsSpace"], "nasbench201, expected darts"),
        (["--model.architecture", "."], r"architecture: \. is a folder; expected the file of a s"),
        (["--model.architecture", CONFIG], "architecture: .* is no architecture.json; expected th"),
        (["--model.scheduler.T_max", "0"], "^scheduler: integer .*by zero"),
    ],
)
def test_mistakes(capsys: pytest.CaptureFixture[str], args: list[str], line: str) -> None:
    fast = ["--trainer.fast_dev_run", "true", *BARE]
    assert re.search(line, error(capsys, "fit", "--config", CONFIG, *fast, *args))


@pytest.mark.usefixtures("command_line")
def test_a_checkpoint_of_another_architecture(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(train())
    args = ["--config", CONFIG, *BARE, "--ckpt_path", path, "--model.architecture", CELL]
    assert re.match(
        r"ckpt_path: the checkpoint is of the architecture \|nor_conv_3x3~0\|.*, not",
        error(capsys, "fit", *args),
    )
    main(["test", *args])  # evaluating takes the checkpoint's


@pytest.mark.usefixtures("command_line")
def test_what_cannot_be_exported_or_tested(capsys: pytest.CaptureFixture[str]) -> None:
    line = error(capsys, "export", "--config", CONFIG, *BARE, "--ckpt_path", "best")
    assert line == "ckpt_path: expected a file, or last, got best"
    search = str(CONFIGS / "search" / "quickstart.yaml")
    line = error(capsys, "export", "--config", search, "--trainer.callbacks", "null")
    assert line == "model: a search has no network to export; train what it found"
    line = error(capsys, "test", "--config", search, "--trainer.callbacks", "null")
    assert line == "model: a search runs with fit, not test"
    line = error(capsys, "test", "--config", CONFIG, *BARE, "--ckpt_path", "best")
    assert re.match(r"`\.test\(ckpt_path=\"best\"\)` is set but", line)


@pytest.mark.usefixtures("command_line")
def test_the_former_name_in_a_config_and_in_a_checkpoint() -> None:
    """The class was `CellClassifier`."""
    path = train()
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["hyper_parameters"]["_class_path"] = "models.CellClassifier"
    torch.save(checkpoint, "old.ckpt")
    main(["test", "--config", CONFIG, *BARE, "--ckpt_path", "old.ckpt"])
    old = Path("old.yaml")
    old.write_text(Path(CONFIG).read_text().replace("ArchitectureClassifier", "CellClassifier"))
    for file in ("old.ckpt", str(path)):
        main(["test", "--config", str(old), *BARE, "--ckpt_path", file])


SPACE = """
from models.spaces import NasBench201Space

class Unwritten(NasBench201Space):
    name = "unwritten"
    def random_architecture(self, generator):
        raise NotImplementedError
"""


@pytest.mark.usefixtures("command_line")
@pytest.mark.parametrize(
    ("config", "args", "line"),
    [
        (
            "quickstart",
            "--model.prune_number 10",
            "prune_number: expected 1 to 3, for one of the 4",
        ),
        (
            "sampling_digits",
            "--model.cache /proc/x.jsonl",
            "cache: /proc/x.jsonl cannot be written",
        ),
        (
            "sampling_digits",
            "--model.indicator [SynFlow,Snip]",
            "model.indicator: .*; --model.indicator may take one value, not a list$",
        ),
        ("sampling_digits", "--model.samples ten", "model.samples: Expected a <class 'int'>"),
        ("sampling_digits", "--model.filter Limit", r"model\.filter: .* required: indicator$"),
        (
            "sampling_digits",
            "--model.filter Limit --model.filter.at_most ten",
            r"model\.filter\.at_most: Expected a <class 'float'>$",
        ),
        ("sampling_digits", "--model.filter.radius -1", r"radius: expected above 0, got -1\.0$"),
        (
            "sampling_digits",
            "--model.space own_space.Unwritten",
            "a class of this run raises an error without a text, such as NotImplementedError$",
        ),
    ],
)
def test_mistakes_in_a_search(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    config: str,
    args: str,
    line: str,
) -> None:
    Path("own_space.py").write_text(SPACE)
    monkeypatch.syspath_prepend(tmp_path)
    path = str(CONFIGS / "search" / f"{config}.yaml")
    bare = ["--trainer.callbacks", "null", "--trainer.logger", "false"]
    assert re.match(line, error(capsys, "fit", "--config", path, *bare, *args.split()))
    assert not Path("runs").exists()
