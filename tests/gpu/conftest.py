"""The list of runs is that of the pretended device."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "pretend_cuda"))
