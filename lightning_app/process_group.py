"""Processes that end together take their process group down first."""

import atexit
import gc
from functools import cache

import torch


@cache
def leave_group_at_exit() -> None:
    """Call where no collective is under way: a run has reached its end, or all stopped together.

    Not after a failure: the other processes may be in a collective, and it would wait for them.

    Where a group is left to the interpreter's end, a thread of gloo may let go of its last tensor
    then, and the process aborts ("terminate called without an active exception", exit code -6)
    after all its work is done. Lightning destroys groups of NCCL only.
    """
    atexit.register(_leave)  # a module that DDP wrapped may be referenced until then


def _leave() -> None:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        gc.collect()  # DDP holds the group, in cycles, and its last holder joins the threads
        torch.distributed.destroy_process_group()
