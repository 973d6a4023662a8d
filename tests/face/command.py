"""`earshot` as a script calls it, its two streams apart: as a process of its own, or within this one.

A process costs as much as a hundred tests; what a command refuses, it refuses in the same words within this one.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import chdir
from pathlib import Path

from typer.testing import CliRunner

from streamer.cli import app


def earshot(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in `folder` to its end."""
    command = [sys.executable, "-c", "from streamer.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)


def earshot_here(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """The same within this process. Raises what the command would end with a traceback for."""
    with chdir(folder):
        done = CliRunner().invoke(app, list(map(str, arguments)))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)
