"""A real Redis server without persistence that tests may stop, kill and freeze.

The first of: the URL in `EARSHOT_TEST_REDIS` (its database is flushed by tests), `redis-server` of this
machine, the Debian package.
"""

from __future__ import annotations

import os
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.services.child import Child, free_port
from tests.services.install import ServiceMissingError, program

_START_SECONDS = 20.0


class RedisServer:
    """A server of our own on an ephemeral port, the same over every restart; its data end with it."""

    def __init__(self, directory: Path, *options: str) -> None:
        self._port = free_port()
        self._directory = directory
        self._options = options
        self._child: Child | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._running().pid

    def start(self) -> None:
        """Starts it and returns when it accepts; 20 ms."""
        if self._child is not None and self._child.running:
            return
        where = ["--port", str(self._port), "--bind", "127.0.0.1", "--dir", str(self._directory)]
        nothing_kept = ["--save", "", "--appendonly", "no"]
        command = [redis_program(), *where, *nothing_kept, *self._options]
        self._child = Child(command, log=self._directory / "redis.log", cwd=self._directory)
        try:
            self._child.wait_for_port(self._port, timeout_seconds=_START_SECONDS)
        except BaseException:
            self._child.kill()
            raise

    def stop(self) -> None:
        """SIGTERM."""
        if self._child is not None:
            self._child.stop()

    def restart(self) -> None:
        """Ends it if it runs, and starts it empty on the same port."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL."""
        self._running().kill()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing is answered."""
        self._running().pause()

    def resume(self) -> None:
        """SIGCONT."""
        self._running().resume()

    def flush(self) -> None:
        """Empties the database."""
        flush(self.url)

    def _running(self) -> Child:
        if self._child is None:
            raise RuntimeError("Redis was never started: call start() first")
        return self._child


def redis_program() -> str:
    """The path of `redis-server`.

    Raises:
        ServiceMissingError: not there and not installable.
    """
    advice = "Install Redis (Debian: redis-server), or set EARSHOT_TEST_REDIS to the URL of a test server."
    return program(("redis-server",), package="redis-server", advice=advice)


def given_url() -> str | None:
    """The URL of a server that somebody else runs for the tests; None when there is none.

    Raises:
        ServiceMissingError: a URL is given and nobody answers there.
    """
    url = os.environ.get("EARSHOT_TEST_REDIS")
    if url:
        try:
            flush(url)
        except RedisConnectionError as error:
            raise ServiceMissingError(f"EARSHOT_TEST_REDIS is set, but nobody answers there: {error}") from error
    return url or None


def flush(url: str) -> None:
    """Empties the database behind `url`."""
    with Redis.from_url(url) as client:
        client.flushdb()
