"""What few commands need is loaded by these alone: it takes half a second each."""

import subprocess
import sys

CODE = """
import sys, models, models.analysis, callbacks
print([name for name in ("pymoo", "models.analysis.runs") if name in sys.modules])
"""


def test_libraries_are_loaded_by_who_needs_them() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr
