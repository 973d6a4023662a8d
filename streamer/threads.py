"""Daemon threads that take work from a queue. Unlike an executor's, they never hold up the end of the process."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable


class Pool:
    """A fixed number of threads. Work must not raise: whoever submits it turns errors into outcomes."""

    def __init__(self, name: str, threads: int) -> None:
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        for number in range(threads):
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True).start()

    def submit(self, work: Callable[[], None]) -> None:
        """Have one of the threads call it, in order of submission."""
        self._work.put(work)

    @property
    def waiting(self) -> int:
        """How much work no thread has begun."""
        return self._work.qsize()

    def _run(self) -> None:
        while True:
            self._work.get()()
