"""Child processes end with their parent, however it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # prctl(2)


def end_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """What a child does before it becomes the program (``preexec_fn``): ask Linux for a signal when its parent dies.

    prctl(2): "parent" means the thread that made the child, and the request outlives ``execve`` but no change of user, so
    it comes last. Elsewhere than on Linux there is no such request: None.
    """
    if sys.platform != "linux":
        return None
    parent, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it died before the request was made: no signal will come
            os._exit(1)

    return in_child
