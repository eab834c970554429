"""Scores on disk: found again, never mixed up, and none but the last lost."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from datamodules import DigitsDataModule
from models.indicators import SynFlow
from models.search import ScoreCache
from models.search.scoring import Scorer
from models.spaces import NasBench201Space

SETTING = {"batch_size": 4, "network": {"channels": 4}, "images": {"mean": (0.5, 0.1)}}
OVERLAP, ZICO = {"class": "ActivationOverlap"}, {"class": "ZiCo", "batches": 2}


def test_a_score_is_found_again_to_the_last_bit(tmp_path):
    path = tmp_path / "folder" / "scores.jsonl"
    cache = ScoreCache(path, SETTING, 0)
    cache.put(OVERLAP, "a", 0.1 + 0.2)
    for same in (cache, ScoreCache(path, SETTING, 0)):
        assert same.get(OVERLAP, "a") == 0.1 + 0.2
        assert same.get(dict(reversed(OVERLAP.items())), "a") is not None
        assert len(same) == 1


def test_whatever_a_score_depends_on_is_part_of_its_key(tmp_path):
    path = tmp_path / "scores.jsonl"
    ScoreCache(path, SETTING, 0).put(ZICO, "a", 1.0)
    cache = ScoreCache(path, SETTING, 0)
    assert cache.get(ZICO, "a") == 1.0
    assert cache.get(ZICO, "b") is None
    assert cache.get(ZICO | {"batches": 4}, "a") is None
    assert ScoreCache(path, SETTING, 1).get(ZICO, "a") is None
    assert ScoreCache(path, SETTING | {"batch_size": 5}, 0).get(ZICO, "a") is None


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_a_torn_last_line_costs_one_score(tmp_path, cut):
    path = tmp_path / "scores.jsonl"
    cache = ScoreCache(path, SETTING, 0)
    for i, name in enumerate("abc"):
        cache.put(OVERLAP, name, float(i))
    path.write_bytes(path.read_bytes()[:-cut])
    again = ScoreCache(path, SETTING, 0)
    left = [again.get(OVERLAP, name) for name in "abc"]
    # Without its line break alone, the last line is still whole.
    assert left == [0.0, 1.0, 2.0 if cut == 1 else None]
    again.put(OVERLAP, "d", 3.0)
    again.put(OVERLAP, "c", 2.0)
    last = ScoreCache(path, SETTING, 0)
    assert [last.get(OVERLAP, name) for name in "abcd"] == [0.0, 1.0, 2.0, 3.0]


def test_two_that_append_keep_both(tmp_path):
    path = tmp_path / "scores.jsonl"
    first, second = ScoreCache(path, SETTING, 0), ScoreCache(path, SETTING, 0)
    for i in range(10):
        (first, second)[i % 2].put(OVERLAP, str(i), float(i))
    assert len(ScoreCache(path, SETTING, 0)) == 10


@pytest.mark.slow
def test_a_killed_writer_loses_at_most_one_line(tmp_path):
    path = tmp_path / "scores.jsonl"
    code = f"""
import itertools
from datamodules import DigitsDataModule
from models.indicators import SynFlow
from models.search import ScoreCache
from models.search.scoring import Scorer
from models.spaces import NasBench201Space
cache = ScoreCache({str(path)!r}, {SETTING!r}, 0)
for i in itertools.count():
    cache.put({OVERLAP!r}, str(i), float(i))
    print(i, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        reported = int(line)
        if reported > 50:
            os.kill(process.pid, signal.SIGKILL)
            break
    process.wait()
    process.stdout.close()
    cache = ScoreCache(path, SETTING, 0)
    assert all(cache.get(OVERLAP, str(i)) == i for i in range(reported + 1))


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "[1]\n", json.dumps({"seed": 1}) + "\n"])
def test_another_file_is_refused(tmp_path, text):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"cache: .*scores.csv, line 1: not a score"):
        ScoreCache(path, SETTING, 0)
    assert path.read_text() == text


@pytest.mark.parametrize("score", ["NaN", "-Infinity", '"x"', "null", "true"])
def test_a_file_with_other_than_finite_scores_is_refused(tmp_path, score):
    path = tmp_path / "scores.jsonl"
    ScoreCache(path, SETTING, 0).put(OVERLAP, "a", 1.5)
    path.write_text(path.read_text().replace("1.5", score))
    with pytest.raises(ValueError, match=r"line 1: not a score"):
        ScoreCache(path, SETTING, 0)


def test_only_numbers_are_scores(tmp_path):
    cache = ScoreCache(tmp_path / "scores.jsonl", SETTING, 0)
    with pytest.raises(ValueError, match="score: expected a finite number, got nan"):
        cache.put(OVERLAP, "a", float("nan"))
    assert cache.get(OVERLAP, "a") is None


def test_devices_of_different_kinds_share_no_scores(tmp_path, monkeypatch):
    monkeypatch.setattr("models.search.scoring.digest", lambda _: "the same")
    scorer = Scorer(
        NasBench201Space(), DigitsDataModule(), [SynFlow()], {}, 4, 0, str(tmp_path / "cache")
    )
    cell = NasBench201Space().random_architecture(torch.Generator().manual_seed(0))
    scorer.prepare(torch.device("cpu"))
    scorer.evaluate(cell)
    scorer.prepare(torch.device("meta"))
    assert not len(scorer._cache)
    scorer.prepare(torch.device("cpu"))
    assert len(scorer._cache) == 1


def test_a_file_that_cannot_be_written_is_refused_before_the_first_score(tmp_path):
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", "/proc/nope.jsonl"):
        with pytest.raises(ValueError, match=rf"cache: {path} cannot be written: "):
            ScoreCache(path, SETTING, 0)
