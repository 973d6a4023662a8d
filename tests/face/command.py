"""`earshot` as a script calls it: a process of its own, its two streams apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def earshot(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in `folder` to its end."""
    command = [sys.executable, "-c", "from streamer.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
