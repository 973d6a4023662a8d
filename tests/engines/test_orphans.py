"""Workers of a parent that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

PARENT = """
import multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
from tests.engines.orphan_work import work
from engines.orphans import end_with_parent

if __name__ == "__main__":
    pipe = sys.argv[1]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=end_with_parent) as pool:
        pool.submit(work, pipe).result()
"""


def test_a_worker_ends_with_its_parent_even_when_that_is_killed(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(pipe)])
    with pipe.open() as worker:  # open on the other side for as long as the worker lives
        assert worker.readline() == "at work\n"
        parent.send_signal(signal.SIGKILL)
        parent.wait(timeout=60)
        assert worker.read() == ""
