"""What a worker of `test_orphans` does: it says that it is there, and never ends by itself."""

from __future__ import annotations

import time
from pathlib import Path


def work(pipe: str) -> None:
    """Hold the pipe open."""
    with Path(pipe).open("w") as told:
        print("at work", file=told, flush=True)
        while True:
            time.sleep(1)
