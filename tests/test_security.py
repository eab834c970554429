"""Files from strangers run no code, and the source has no call that would let them."""

import ast
import os
import pickle
import struct
import threading
import zlib
from collections.abc import Iterator
from functools import partial
from hashlib import md5
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from torchvision.datasets import CIFAR10, SVHN

from datamodules import CIFAR10DataModule, SVHNDataModule
from datamodules.folder_source import FolderSource
from datamodules.imagenet16_cache import build, is_whole
from datamodules.mnist import read_idx
from lightning_app.checkpoint_io import SafeCheckpointIO
from lightning_app.cli import main
from models import DagMLPClassifier
from models.benchmarks.nasbench201 import read_table
from models.search import ScoreCache
from models.spaces import DartsSpace, NasBench201Space, read_architecture

ROOT = Path(__file__).parents[1]
QUICKSTART = str(ROOT / "configs" / "quickstart.yaml")
PACKAGES = ("lightning_app", "callbacks", "datamodules", "models")

# The source ---------------------------------------------------------------------------------------

UNSAFE_MODULES = {"pickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNSAFE_CALLS = {"eval", "exec", "os.system", "os.popen", "torch.hub.load", "yaml.unsafe_load"}
MAY_UNPICKLE = {"datamodules/safe_pickle.py"}
"""Where an Unpickler is narrowed down to arrays."""


def unsafe(text: str) -> list[str]:
    """What could run code from a file. Beyond ruff's S rules, which know nothing of torch.load."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
            found += sorted(names & UNSAFE_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in UNSAFE_MODULES:
            found += [a.name for a in node.names if not a.name.endswith("Error")]
        elif isinstance(node, ast.Call):
            found += _unsafe_call(node)
    return found


def _unsafe_call(node: ast.Call) -> list[str]:
    name = ast.unparse(node.func)
    given = {k.arg: ast.unparse(k.value) for k in node.keywords}
    last = name.rpartition(".")[2]
    bad = name in UNSAFE_CALLS
    bad |= given.get("weights_only", "True") == "False"
    bad |= given.get("allow_pickle", "False") != "False"
    bad |= given.get("shell", "False") != "False"
    bad |= name in ("torch.load", "torch.hub.load_state_dict_from_url") and (
        given.get("weights_only") != "True"
    )
    bad |= last in ("extractall", "unpack_archive") and "filter" not in given
    bad |= name == "yaml.load" and "Safe" not in given.get("Loader", "")
    bad |= name.endswith("Image.open") and "formats" not in given
    return [name] if bad else []


def test_the_source_cannot_run_code_of_a_file() -> None:
    sources = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    found = {str(path.relative_to(ROOT)): unsafe(path.read_text("utf-8")) for path in sources}
    assert {path for path, calls in found.items() if calls} == MAY_UNPICKLE


def test_what_the_test_of_the_source_finds() -> None:
    for text in (
        "import pickle",
        "from pickle import loads",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "Model.load_from_checkpoint(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "eval(text)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "subprocess.run(line, shell=True)",
        "archive.extractall(folder)",
        "Image.open(path)",
    ):
        assert unsafe(text), text


# Checkpoints --------------------------------------------------------------------------------------


class Malicious:
    """Read by `pickle.load`, this writes a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (f"open({str(self.trace)!r}, 'w').close()",)


@pytest.fixture
def trace(tmp_path: Path) -> Iterator[Path]:
    """The file that code in a file would write; that none did."""
    trace = tmp_path / "trace"
    yield trace
    assert not trace.exists()


@pytest.fixture
def evil(tmp_path: Path, trace: Path) -> dict[str, Path]:
    """A checkpoint that would run code, in each of torch's formats."""
    paths = {name: tmp_path / f"{name}.ckpt" for name in ("zip", "legacy", "pickle")}
    arguments = {"_class_path": "models.DagMLPClassifier", "dag": "2"}
    content = {"state_dict": {}, "hyper_parameters": arguments, "evil": Malicious(trace)}
    torch.save(content, paths["zip"])
    torch.save(content, paths["legacy"], _use_new_zipfile_serialization=False)
    paths["pickle"].write_bytes(pickle.dumps(content))
    return paths


def test_the_checkpoint_of_these_tests_is_malicious(tmp_path: Path) -> None:
    torch.save(Malicious(tmp_path / "proof"), tmp_path / "evil.ckpt")
    torch.load(tmp_path / "evil.ckpt", weights_only=False)
    assert (tmp_path / "proof").exists()


@pytest.mark.usefixtures("command_line")
@pytest.mark.parametrize("subcommand", ["fit", "validate", "test", "predict", "export"])
def test_checkpoints_on_the_command_line(
    capsys: pytest.CaptureFixture[str], subcommand: str, evil: dict[str, Path]
) -> None:
    args = [subcommand, "--config", QUICKSTART, "--trainer.logger", "false"]
    args += ["--trainer.callbacks", "null", "--ckpt_path", str(evil["zip"])]
    unsafe = [] if subcommand == "export" else ["--weights_only", "false"]
    for extra in ([], unsafe):
        with pytest.raises(SystemExit) as exit_:
            main([*args, *extra])
        assert exit_.value.code == 2
        assert "lightning: error: ckpt_path: " in capsys.readouterr().err


def test_checkpoints_in_python(evil: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """From files and from behind an address."""
    folder = evil["zip"].parent
    monkeypatch.setenv("TORCH_HOME", str(folder / "hub"))
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for file in evil.values():
            with pytest.raises(pickle.UnpicklingError):
                DagMLPClassifier.load_from_checkpoint(file)
            address = f"http://127.0.0.1:{server.server_port}/{file.name}"
            for path in (address, f"file://{file}", str(file)):
                with pytest.raises(pickle.UnpicklingError):
                    SafeCheckpointIO().load_checkpoint(path)
                with pytest.raises(ValueError, match="weights_only: expected true"):
                    SafeCheckpointIO().load_checkpoint(path, weights_only=False)
        server.shutdown()


@pytest.mark.usefixtures("command_line")
def test_tags_of_python_in_a_config(capsys: pytest.CaptureFixture[str], trace: Path) -> None:
    tag = f"!!python/object/apply:os.system ['touch {trace}']"
    Path("evil.yaml").write_text(Path(QUICKSTART).read_text().replace("width: 64", f"width: {tag}"))
    with pytest.raises(SystemExit) as exit_:
        main(["fit", "--config", "evil.yaml"])
    assert exit_.value.code == 2
    assert "lightning: error: " in capsys.readouterr().err


# Architectures, caches and tables -----------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch {trace}')",
        "Genotype(normal=__import__('os').system('touch {trace}'), reduce=[])",
        "Genotype(normal=[open('{trace}', 'w')], reduce=[])",
        "Genotype(normal=[('skip_connect', (lambda: open('{trace}', 'w'))())], reduce=[])",
    ],
)
@pytest.mark.parametrize("space", [NasBench201Space, DartsSpace])
def test_code_for_an_architecture(tmp_path: Path, trace: Path, space: type, text: str) -> None:
    text = text.format(trace=trace)
    (tmp_path / "a.json").write_text(f'{{"architecture": {text!r}}}'.replace("'", '"'))
    for given in (text, str(tmp_path / "a.json")):
        with pytest.raises(ValueError, match="architecture: "):
            read_architecture(space(), given)


def test_pickles_under_other_names(tmp_path: Path, trace: Path) -> None:
    content = pickle.dumps({"architecture": Malicious(trace), "X": Malicious(trace)})
    for name in ("architecture.json", "scores.jsonl", "table.csv", "idx3-ubyte"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="architecture: "):
        read_architecture(NasBench201Space(), str(tmp_path / "architecture.json"))
    with pytest.raises(ValueError, match="cache: "):
        ScoreCache(tmp_path / "scores.jsonl", {}, 0)
    with pytest.raises(ValueError, match=r"path: .* is no CSV"):
        read_table(tmp_path / "table.csv")
    with pytest.raises(ValueError, match="not an IDX file"):
        read_idx(tmp_path / "idx3-ubyte")


def test_json_that_is_nested_too_deeply(tmp_path: Path) -> None:
    for name in ("architecture.json", "scores.jsonl"):
        (tmp_path / name).write_text("[" * 200_000)
    with pytest.raises(ValueError, match=r"architecture: .* is no JSON: maximum recursion"):
        read_architecture(NasBench201Space(), str(tmp_path / "architecture.json"))
    with pytest.raises(ValueError, match="line 1: not a score of this project"):
        ScoreCache(tmp_path / "scores.jsonl", {}, 0)
    line = '{"indicator": 1, "setting": {}, "seed": 0, "architecture": [], "score": 1}'
    (tmp_path / "scores.jsonl").write_text(line)
    with pytest.raises(ValueError, match="line 1: not a score of this project"):
        ScoreCache(tmp_path / "scores.jsonl", {}, 0)


def test_a_field_of_a_table_that_is_too_long(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a" * 200_000)
    with pytest.raises(ValueError, match=r"path: .* is no CSV: field larger than"):
        read_table(tmp_path / "table.csv")


# Images -------------------------------------------------------------------------------------------


def sum_of(path: Path) -> str:
    return md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def test_cifar(tmp_path: Path, trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the sums of the files are those of the release."""
    path = tmp_path / CIFAR10.base_folder / "data_batch_1"
    path.parent.mkdir()
    path.write_bytes(pickle.dumps({"data": Malicious(trace), "labels": [1]}))
    monkeypatch.setattr(CIFAR10, "train_list", [["data_batch_1", sum_of(path)]])
    with pytest.raises(ValueError, match=r"data_batch_1: refused"):
        CIFAR10DataModule(tmp_path).setup("fit")


def test_imagenet16(tmp_path: Path, trace: Path) -> None:
    """The files as they came, and what claims to be their cache."""
    for i in range(1, 11):
        (tmp_path / f"train_data_batch_{i}").write_bytes(pickle.dumps({"data": Malicious(trace)}))
    with pytest.raises(ValueError, match=r"train_data_batch_1: refused"):
        build(tmp_path, tmp_path / "cache", 120)
    assert not (tmp_path / "cache").exists()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "manifest.json").write_bytes(pickle.dumps(Malicious(trace)))
    assert not is_whole(tmp_path / "cache")


@pytest.mark.parametrize("kind", ["pickle", "objects"])
def test_svhn(tmp_path: Path, trace: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = tmp_path / "train_32x32.mat"
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"X": Malicious(trace), "y": [1]}))
    else:
        savemat(path, {"X": np.array([{"a": 1.0}, "b"], object), "y": np.array([1, 2])})
    url, name, _ = SVHN.split_list["train"]
    monkeypatch.setitem(SVHN.split_list, "train", [url, name, sum_of(path)])
    # Of scipy, which has no one error for a damaged file.
    with pytest.raises((ValueError, IndexError)):
        SVHNDataModule(tmp_path).setup("fit")


def png(width: int, height: int) -> bytes:
    """The head of a picture of any size, and next to nothing behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def fetch(folder: Path) -> None:
    FolderSource(folder, None, 8, 8, "raise", 0).fetch(torch.arange(1), None)


@pytest.mark.parametrize("kind", ["pickle", "bomb", "eps"])
def test_files_that_are_no_pictures(
    tmp_path: Path, trace: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    content = {
        "pickle": pickle.dumps(Malicious(trace)),
        "bomb": png(60_000, 60_000),  # 10 GB
        # A program, which Pillow would have Ghostscript run.
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n",
    }
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a program was run"))
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.png").write_bytes(content[kind])
    with pytest.raises(ValueError, match=r"a\.png: cannot be read"):
        fetch(tmp_path / "new")


def test_links_and_pipes(tmp_path: Path) -> None:
    """Links are followed, as folders of links are common, but not in circles."""
    (tmp_path / "new" / "sub").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    for path in ("new/a.png", "new/sub/b.png", "other/c.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / path)
    for name in ("one", "two"):
        (tmp_path / "new" / name).symlink_to(".")
        (tmp_path / "new" / "sub" / name).symlink_to("..")
    (tmp_path / "new" / "other").symlink_to("../other")
    (tmp_path / "new" / "gone.png").symlink_to("nowhere.png")
    os.mkfifo(tmp_path / "new" / "pipe.png")
    source = FolderSource(tmp_path / "new", None, 8, 8, "raise", 0)
    assert [source.name(i) for i in range(3)] == ["a.png", "other/c.png", "sub/b.png"]
    assert len(source.labels) == 3
