"""Scores on disk: a line of JSON each, appended as they come."""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class ScoreCache:
    """Scores of architectures by an indicator, for one setting and one seed.

    A file may hold scores of many settings, and many processes may append to it. Every score is
    appended by one write, so that a run that is killed loses at most the line in flight; what is
    left of such a line is skipped.

    Args:
        path: the file; it and its folder are made at once.
        setting: what scores depend on beside indicator, seed and architecture, as builtins.
        seed: of weights and images.

    Raises:
        ValueError: the file is something else, or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], setting: dict[str, Any], seed: int) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.open("ab").close()
        except OSError as error:
            raise ValueError(f"cache: {path} cannot be written: {error.strerror}") from error
        self._setting = json.loads(json.dumps(setting))
        self._seed = seed
        self._scores: dict[tuple[str, str], float] = {}
        for line in self._lines():
            if line["seed"] == seed and line["setting"] == self._setting:
                self._scores[_key(line["indicator"], line["architecture"])] = line["score"]

    def __len__(self) -> int:
        return len(self._scores)

    def get(self, indicator: Any, architecture: str) -> float | None:
        """The score, or None. `indicator` is described by builtins."""
        return self._scores.get(_key(indicator, architecture))

    def put(self, indicator: Any, architecture: str, score: float) -> None:
        """Append a score. Raises ValueError if it is not finite."""
        if not math.isfinite(score):
            raise ValueError(f"score: expected a finite number, got {score}")
        line = {
            "indicator": indicator,
            "setting": self._setting,
            "seed": self._seed,
            "architecture": architecture,
            "score": score,
        }
        with self.path.open("a+b", buffering=0) as file:
            text = json.dumps(line, ensure_ascii=False) + "\n"
            # O_APPEND puts one write whole at the end, whoever else writes.
            file.write((_end_of_torn_line(file) + text).encode())
        self._scores[_key(indicator, architecture)] = score

    def _lines(self) -> Iterator[dict[str, Any]]:
        ours = f'"seed": {self._seed},'.encode()
        for number, raw in enumerate(self.path.read_bytes().splitlines(), start=1):
            if not raw.strip() or (number > 1 and raw.startswith(b"{") and ours not in raw):
                continue  # of another seed: parsing is what takes time
            try:
                line = json.loads(raw)
                valid = isinstance(line, dict) and line.keys() >= _FIELDS
                valid = valid and isinstance(line["architecture"], str)
                valid = valid and isinstance(line["score"], float) and math.isfinite(line["score"])
            except (ValueError, RecursionError):
                if raw.startswith(b"{"):  # torn
                    continue
                valid = False
            if not valid:
                raise ValueError(f"cache: {self.path}, line {number}: not a score of this project")
            yield line


_FIELDS = {"indicator", "setting", "seed", "architecture", "score"}


def _key(indicator: Any, architecture: str) -> tuple[str, str]:
    return json.dumps(indicator, sort_keys=True), architecture


def _end_of_torn_line(file: Any) -> str:
    """A line break where the file's last line has none."""
    if file.seek(0, os.SEEK_END) == 0:
        return ""
    file.seek(-1, os.SEEK_END)
    return "" if file.read(1) == b"\n" else "\n"
