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
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamer.errors import SettingsError
from streamer.kafka.options import KafkaOptions

_MOST_SLOTS = 1024


@contextmanager
def claimed_instance(options: KafkaOptions) -> Iterator[str]:
    """The configured name, or `<host>-<slot>`, held by a file lock until the block ends.

    Raises `SettingsError` (fatal) when the directory cannot be written or all slots are taken.
    """
    if options.instance is not None:
        yield options.instance
        return
    directory = options.instance_dir or Path(tempfile.gettempdir()) / f"earshot-instances-{os.getuid()}"
    safe_group = re.sub(r"[^A-Za-z0-9._-]", "_", options.group)
    for slot in range(_MOST_SLOTS):
        descriptor = _locked(directory, directory / f"{safe_group}.{slot}.lock")
        if descriptor is None:
            continue
        try:
            yield f"{socket.gethostname()}-{slot}"
        finally:
            os.close(descriptor)
        return
    raise SettingsError(f"all {_MOST_SLOTS} instance slots in {directory} are taken; set kafka.instance")


def _locked(directory: Path, path: Path) -> int | None:
    """A descriptor that holds the lock of a slot; None when another process does."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise SettingsError(
            f"cannot write {path}: {error.strerror}; set kafka.instance, or kafka.instance_dir to a directory of ours"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
