"""A process of several ends when the one that started it has ended.

Lightning's launcher watches the processes that it starts. Nobody watches the launcher: where it is
killed, the others would go on until they next wait for it, under NCCL for up to half an hour.
"""

import os
import sys
import threading
import time
from functools import cache

_LAUNCHER = "LIGHTNING_APP_LAUNCHER"
_INTERVAL, _GRACE = 2.0, 20.0  # seconds


def watch_launcher() -> None:
    """Call in every process: the first leaves its id to those it starts, which then watch it."""
    launcher = os.environ.setdefault(_LAUNCHER, str(os.getpid()))
    if launcher == str(os.getppid()) and "LOCAL_RANK" in os.environ:  # Lightning started it
        _start(int(launcher))
    elif launcher != str(os.getpid()):  # of a process further up, such as a shell that runs this
        os.environ[_LAUNCHER] = str(os.getpid())


@cache
def _start(launcher: int) -> None:
    threading.Thread(target=_watch, args=(launcher,), daemon=True).start()


def _watch(launcher: int) -> None:
    while os.getppid() == launcher:
        time.sleep(_INTERVAL)
    time.sleep(_GRACE)  # where all went well, this process is about to end by itself
    sys.stderr.write("lightning: error: the first process of this run has ended\n")
    sys.stderr.flush()
    os._exit(1)  # the main thread may be waiting for it, out of reach
