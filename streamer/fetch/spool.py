"""Where objects are kept while they are judged: a private directory, a bound on its bytes, nothing left behind.

    BASE/PID-TOKEN/TOKEN      0700 and 0600; PID-TOKEN is locked (flock) as long as its process lives

A process that dies leaves its directory; the next one to start under the same base finds it unlocked and removes
it. Thread-safe.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamer.errors import SettingsError, SpoolFullError

_OWN = re.compile(r"\d+-[0-9a-f]{16}")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Spool:
    """At most `max_bytes` in files of this process. Raises `SettingsError` (fatal) for a base that cannot serve."""

    def __init__(self, base: Path | None, max_bytes: int) -> None:
        base = base or Path(tempfile.gettempdir()) / f"earshot-{os.geteuid()}"
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._used_bytes = 0
        try:
            base.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory, self._descriptor = _own_directory(base)
        except OSError as error:
            raise SettingsError(
                f"fetch.spool_dir {base}: {error.strerror}; expected a directory that user {os.geteuid()} may write to"
            ) from error

    @property
    def used_bytes(self) -> int:
        """Bytes taken by files now."""
        return self._used_bytes

    @contextmanager
    def file(self) -> Iterator[SpoolFile]:
        """A new empty file, deleted in the end."""
        path = self.directory / secrets.token_hex(8)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _full(error) from error
        file = SpoolFile(self, path, descriptor)
        try:
            yield file
        finally:
            file.close()
            path.unlink(missing_ok=True)
            self._give_back(file.taken_bytes)

    def close(self) -> None:
        """Removes the directory with all that is in it."""
        shutil.rmtree(self.directory, ignore_errors=True)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _take(self, size_bytes: int) -> None:
        with self._lock:
            if self._used_bytes + size_bytes > self._max_bytes:
                raise SpoolFullError(
                    f"spool: {self._used_bytes} bytes taken, {size_bytes} more wanted, "
                    f"expected at most {self._max_bytes} in all; wait, or raise fetch.spool_max_bytes"
                )
            self._used_bytes += size_bytes

    def _give_back(self, size_bytes: int) -> None:
        with self._lock:
            self._used_bytes -= size_bytes


class SpoolFile:
    """One file being written. Serves one thread. Raises `SpoolFullError` (retryable) when there is no room."""

    def __init__(self, spool: Spool, path: Path, descriptor: int) -> None:
        self._spool = spool
        self._descriptor = descriptor
        self.path = path
        self.size_bytes = 0
        self.taken_bytes = 0

    def reserve(self, size_bytes: int) -> None:
        """Makes sure, before anything is fetched, that so many bytes in all are within the bound."""
        more_bytes = size_bytes - self.taken_bytes
        if more_bytes > 0:
            self._spool._take(more_bytes)
            self.taken_bytes = size_bytes

    def write(self, chunk: bytes) -> None:
        """Appends."""
        self.reserve(self.size_bytes + len(chunk))
        left = memoryview(chunk)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError as error:
            raise _full(error) from error
        self.size_bytes += len(chunk)

    def close(self) -> None:
        """Ends writing; the file stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _full(error: OSError) -> SpoolFullError:
    return SpoolFullError(f"spool: cannot write ({error.strerror}); make room on the disk of fetch.spool_dir")


def _own_directory(base: Path) -> tuple[Path, int]:
    """A new locked directory under the base, after those of dead processes were removed."""
    base_descriptor = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Whoever owns the base can swap what is in it.
        if os.fstat(base_descriptor).st_uid not in (0, os.geteuid()):
            raise PermissionError(0, "belongs to somebody else")
        # Between making a directory and locking it, it looks like that of a dead process.
        fcntl.flock(base_descriptor, fcntl.LOCK_EX)
        _remove_stale(base)
        directory = base / f"{os.getpid()}-{secrets.token_hex(8)}"
        directory.mkdir(mode=0o700)
        descriptor = os.open(directory, _DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return directory, descriptor
    finally:
        os.close(base_descriptor)


def _remove_stale(base: Path) -> None:
    for directory in base.iterdir():
        if not _OWN.fullmatch(directory.name):
            continue
        try:
            descriptor = os.open(directory, _DIRECTORY)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(descriptor)
