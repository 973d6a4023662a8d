"""Processes that a benchmark measures: started with orders, ready when they say so, gone when the block ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from streamer.errors import BrokerError
from streamer.settings import Settings, load_settings

_END_SECONDS = 20.0


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """The user's configuration file, and the settings that differ from it by dotted name."""

    config: str | None = None
    overrides: dict[str, Any]

    def settings(self) -> Settings:
        """What the child runs with. Raises `SettingsError` (fatal)."""
        return load_settings(Path(self.config) if self.config else None, self.overrides)


def take_orders() -> Orders:
    """The first line of this process's input."""
    return msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)


def answer(value: Any) -> None:
    """One line of this process's output."""
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()


class Child:
    """A process that answers each line on its standard input with one on its standard output, in JSON."""

    def __init__(self, process: subprocess.Popen[bytes], module: str) -> None:
        self._process = process
        self._module = module

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def check(self) -> None:
        """Raise `BrokerError` (fatal) when it has ended."""
        if (status := self._process.poll()) is not None:
            raise BrokerError(f"{self._module} ended with status {status}; what it said is above")

    def ask(self, question: Any) -> Any:
        """Its answer. Raises `BrokerError` (fatal) when it ends instead."""
        try:
            _pipe(self._process.stdin).write(msgspec.json.encode(question) + b"\n")
            _pipe(self._process.stdin).flush()
            answer = _pipe(self._process.stdout).readline()
        except BrokenPipeError:
            answer = b""
        if not answer:
            raise BrokerError(f"{self._module} ended with status {self._process.wait()}; what it said is above")
        return msgspec.json.decode(answer)


@contextmanager
def child(module: str, orders: Orders) -> Iterator[Child]:
    """Run `python -m module`; it has its orders and is ready when the block begins. It ends with its input."""
    command = [sys.executable, "-m", module]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603  # our own module
    try:
        started = Child(process, module)
        started.ask(orders)
        yield started
    finally:
        _pipe(process.stdin).close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _pipe(process.stdout).close()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
