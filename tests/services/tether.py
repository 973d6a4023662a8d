"""Becomes another program that the kernel ends with its parent: `python tether.py PARENT_PID PROGRAM ...`.

A test run that is killed leaves no server behind. The tie holds to the *thread* that started the program, so
servers are started from the main thread. Other kernels than Linux have no such tie; there `atexit` has to do.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(parent_pid: int, argv: list[str]) -> None:
    """Replaces this process by `argv`, tied to `parent_pid`."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent_pid:  # the parent ended before the tie was made
            os._exit(1)
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
