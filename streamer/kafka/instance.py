"""A stable name for this worker: the host and the first slot that no living process holds.

The transactional id is built from it. A worker that was killed comes back to the same slot, so the broker aborts what
its predecessor left open at once, instead of after the transaction timeout; and two living workers never share a
name, so they never fence each other.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamer.errors import SettingsError

_MOST_SLOTS = 1024


@contextmanager
def claimed_instance(given: str | None, group: str, directory: Path) -> Iterator[str]:
    """The given name, or `<host>-<slot>` held by a file lock in `directory` until the block ends.

    Raises `SettingsError` (fatal) when the directory cannot be written or all slots are taken.
    """
    if given is not None:
        yield given
        return
    safe_group = re.sub(r"[^A-Za-z0-9._-]", "_", group)
    for slot in range(_MOST_SLOTS):
        path = directory / f"instance.{safe_group}.{slot}.lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SettingsError(f"cannot write {path}: {error.strerror}; set spool to a directory of ours") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        try:
            yield f"{socket.gethostname()}-{slot}"
        finally:
            os.close(descriptor)
        return
    raise SettingsError(f"all {_MOST_SLOTS} instance slots in {directory} are taken; set kafka.instance")
