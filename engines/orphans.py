"""No process outlives the one that started it, however that ended."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable


def end_with_parent() -> None:
    """To be called in a process of `multiprocessing`, once; it then ends as soon as its parent has.

    A parent that is killed by a signal shuts no pool down: what its workers train would go on, and be written.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.join,), daemon=True).start()


def _end_after(wait: Callable[[], None]) -> None:
    wait()
    os._exit(1)
