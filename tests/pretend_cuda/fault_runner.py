"""Run the tests in folders named on standard input, each in a fork of this warm process.

A line is a JSON list: the folder, then pytest's arguments. The answer is a line of JSON: pytest's
exit code, and the names of what was raised in the failed tests. Output goes to the folder's
`output.txt`. Libraries are imported once; the project's packages are imported anew in every fork,
from the folder.
"""

import json
import os
import resource
import sys
from typing import Any

import matplotlib.figure  # noqa: F401
import networkx  # noqa: F401
import pytest
import pytorch_lightning.cli  # noqa: F401
import scipy.stats  # noqa: F401
import sklearn.datasets  # noqa: F401
import torchvision  # noqa: F401

SECONDS = 60  # of processor time: a mutation may loop for ever


class Raised:
    """Collects the types of exceptions that end tests or imports."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def pytest_exception_interact(self, call: Any) -> None:
        self.names.add(call.excinfo.type.__name__)


def run_tests(folder: str, arguments: list[str]) -> tuple[int, list[str]]:
    os.chdir(folder)
    sys.path.insert(0, folder)
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    raised = Raised()
    code = pytest.main(["-q", "-p", "no:cacheprovider", *arguments], plugins=[raised])
    return int(code), sorted(raised.names)


for line in sys.stdin:
    folder, *arguments = json.loads(line)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps(run_tests(folder, arguments)).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    print(answer or json.dumps([-1, [f"used {SECONDS} s"]]), flush=True)
