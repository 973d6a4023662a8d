"""A server as a child process: started, frozen, killed and always ended by its pid."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

_TETHER = Path(__file__).with_name("tether.py")
_PATIENCE_SECONDS = 10.0


class Child:
    """One server process in its own session, so that Ctrl-C reaches the tests and not their servers."""

    def __init__(self, argv: list[str], *, log: Path, cwd: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                start_new_session=True,
            )
        atexit.register(self.kill)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def pause(self) -> None:
        """Freezes the process (SIGSTOP): connections stay open and nothing is answered."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a frozen process go on (SIGCONT)."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self, *, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        """Asks the process to end (SIGTERM), then makes it."""
        if self.running:
            self.resume()  # a frozen process never sees SIGTERM
            self._process.terminate()
            try:
                self._process.wait(patience_seconds)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self.kill()

    def kill(self) -> None:
        """Ends the process at once (SIGKILL) and reaps it."""
        if self.running:
            self._process.kill()
        self._process.wait()
        atexit.unregister(self.kill)

    def wait_for_port(self, port: int, *, timeout_seconds: float) -> None:
        """Returns when the port of this process accepts.

        Raises:
            RuntimeError: the process ended, or the time is up; carries the end of its log.
        """
        deadline = time.monotonic() + timeout_seconds
        while not accepts("127.0.0.1", port):
            if not self.running:
                raise RuntimeError(f"server ended with status {self._process.returncode}: {self.log_tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"no answer on port {port} within {timeout_seconds} s: {self.log_tail()}")
            time.sleep(0.02)

    def log_tail(self) -> str:
        """The last lines that the process wrote."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-15:]) or f"nothing in {self.log}"


def accepts(host: str, port: int) -> bool:
    """Whether something listens there."""
    with closing(socket.socket()) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) == 0


def free_port() -> int:
    """A port that was free a moment ago."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
