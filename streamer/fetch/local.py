"""Files of this machine, only under the roots that the operator named."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from streamer.errors import AccessDeniedError, FetchFailedError, ForbiddenUriError, MissingObjectError
from streamer.fetch.pace import Pace
from streamer.fetch.source import Incoming
from streamer.fetch.uri import path_from_file_uri, redact

#: Larger ones cost more: each would be fresh memory from the kernel, page by page (2 MB in 0.9 ms instead of 0.1 ms).
_CHUNK_BYTES = 1 << 18
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


class LocalFiles:
    """Implements `Source` for `file:` URIs and absolute paths.

    Symbolic links are followed to see where they lead; what is read is then opened from the root downwards without
    following any, so that one put there in between leads nowhere.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = tuple(Path(os.path.realpath(root)) for root in roots)

    @contextmanager
    def open(self, uri: str, pace: Pace) -> Iterator[Incoming]:
        """See `Source`."""
        named = path_from_file_uri(uri)
        try:
            path = Path(os.path.realpath(named))
            descriptor = open_beneath(self._root_of(uri, path), path)
        except OSError as error:
            raise _error(uri, error) from error
        try:
            size_bytes = os.fstat(descriptor).st_size
            pace.begin_body()
            yield Incoming(size_bytes, _chunks(uri, descriptor, pace))
        finally:
            os.close(descriptor)

    def _root_of(self, uri: str, path: Path) -> Path:
        for root in self._roots:
            if path.is_relative_to(root):
                return root
        raise ForbiddenUriError(
            f"{redact(uri)}: not under one of fetch.file_roots ({len(self._roots)} configured); "
            "move the file there or add its directory"
        )


def open_beneath(root: Path, path: Path) -> int:
    """Opens a regular file without following a link below the root, and without opening anything else.

    Raises:
        OSError: EISDIR for what is no regular file; ELOOP or ENOTDIR where a link stands.
    """
    *directories, name = path.relative_to(root).parts or (".",)
    directory = os.open(root, _OPEN | os.O_DIRECTORY)
    try:
        for part in directories:
            below = os.open(part, _OPEN | os.O_DIRECTORY, dir_fd=directory)
            os.close(directory)
            directory = below
        # Opening a device or a pipe can have effects or block, so the look comes first.
        _check_regular(os.stat(name, dir_fd=directory, follow_symlinks=False))
        descriptor = os.open(name, _OPEN | os.O_NONBLOCK, dir_fd=directory)
    finally:
        os.close(directory)
    try:
        _check_regular(os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EISDIR, "not a regular file")


def _chunks(uri: str, descriptor: int, pace: Pace) -> Iterator[bytes]:
    try:
        while chunk := os.read(descriptor, _CHUNK_BYTES):
            pace.received(len(chunk))
            yield chunk
            pace.remaining_seconds()
    except OSError as error:
        raise _error(uri, error) from error


def _error(uri: str, error: OSError) -> AccessDeniedError | FetchFailedError | ForbiddenUriError | MissingObjectError:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return MissingObjectError(f"{redact(uri)}: there is no such file")
        case errno.EACCES | errno.EPERM:
            return AccessDeniedError(f"{redact(uri)}: may not be read by user {os.geteuid()}; change its rights")
        case errno.EISDIR | errno.ELOOP | errno.ENXIO:
            return ForbiddenUriError(f"{redact(uri)}: no regular file; directories, pipes and devices are not read")
        case errno.ENAMETOOLONG | errno.EINVAL:
            return MissingObjectError(f"{redact(uri)}: there can be no file of that name")
    return FetchFailedError(f"{redact(uri)}: cannot be read now ({error.strerror})")
