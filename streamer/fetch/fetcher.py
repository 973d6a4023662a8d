"""URI -> a regular file of ours, of the size and content that were promised."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from streamer.errors import ContentMismatchError, FetchFailedError, ForbiddenUriError, TooLargeError
from streamer.fetch.addresses import Resolver, resolve_host
from streamer.fetch.local import LocalFiles
from streamer.fetch.objects import Objects
from streamer.fetch.options import FetchOptions
from streamer.fetch.pace import Pace
from streamer.fetch.source import Incoming, Source
from streamer.fetch.spool import Spool, SpoolFile
from streamer.fetch.uri import redact, scheme_of
from streamer.fetch.web import Web
from streamer.records import Content

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class Fetcher:
    """Fetches what an event points to, trusting neither the event nor the store. Thread-safe; a context manager.

    Raises:
        SettingsError: options that cannot be used (fatal).
    """

    def __init__(
        self,
        options: FetchOptions,
        clock: Callable[[], float] = time.monotonic,
        resolve: Resolver = resolve_host,
    ) -> None:
        self._options = options
        self._clock = clock
        web, objects = Web(options, resolve), Objects(options)
        self._sources: dict[str, Source] = {
            "file": LocalFiles(options.file_roots),
            **dict.fromkeys(("http", "https"), web),
            **dict.fromkeys(("s3", "gs", "az"), objects),
        }
        self._spool = Spool(options.spool_dir, options.spool_max_bytes)

    @contextmanager
    def fetch(
        self, uri: str, *, sha256: str | None = None, size_bytes: int | None = None, timeout_seconds: float
    ) -> Iterator[Content]:
        """The object as a file that is deleted in the end.

        Raises:
            ForbiddenUriError: a URI that must not be followed (poison).
            MissingObjectError: there is no such object (poison).
            AccessDeniedError: the store refuses us (poison).
            TooLargeError: more than `max_bytes` (poison).
            ContentMismatchError: not of the declared size or sha256 (poison).
            FetchFailedError: the store or the network fails, or is too slow (retryable).
            SpoolFullError: no room to keep it (retryable).
        """
        source = self._sources.get(scheme_of(uri))
        if source is None:
            raise ForbiddenUriError(
                f"{redact(uri)}: came scheme {scheme_of(uri)!r}, expected one of {', '.join(self._sources)}"
            )
        promise = _Promise(redact(uri), sha256, size_bytes, self._options.max_bytes)
        pace = Pace(
            redact(uri),
            timeout_seconds=timeout_seconds,
            min_bytes_per_second=self._options.min_bytes_per_second,
            window_seconds=self._options.rate_window_seconds,
            clock=self._clock,
        )
        with self._spool.file() as file:
            with source.open(uri, pace) as incoming:
                content = _received(incoming, file, promise)
            yield content

    @property
    def spooled_bytes(self) -> int:
        """Bytes kept now."""
        return self._spool.used_bytes

    def close(self) -> None:
        """Removes everything that is kept."""
        self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Promise:
    """What the event declared and the operator allows, against what comes."""

    def __init__(self, subject: str, sha256: str | None, size_bytes: int | None, max_bytes: int) -> None:
        if sha256 is not None and not _SHA256.fullmatch(sha256):
            raise ContentMismatchError(f"{subject}: the event's sha256 is no sha256; expected 64 hexadecimal digits")
        self._subject = subject
        self._sha256 = sha256.lower() if sha256 is not None else None
        self._size_bytes = size_bytes
        self._max_bytes = max_bytes
        if size_bytes is not None:
            self._check_limit(size_bytes)

    def check_announced(self, size_bytes: int) -> None:
        """Before the first byte: the source's own word on the size."""
        self._check_limit(size_bytes)
        if self._size_bytes is not None and size_bytes != self._size_bytes:
            raise self._size_mismatch(f"{size_bytes} bytes")

    def check_growing(self, size_bytes: int) -> None:
        """After every chunk: neither limit nor declaration is exceeded, whatever was announced."""
        self._check_limit(size_bytes)
        if self._size_bytes is not None and size_bytes > self._size_bytes:
            raise self._size_mismatch(f"more than {self._size_bytes} bytes")

    def check_whole(self, size_bytes: int, announced_bytes: int | None, sha256: str) -> None:
        """At the end."""
        if announced_bytes is not None and size_bytes != announced_bytes:
            raise FetchFailedError(
                f"{self._subject}: came {size_bytes} bytes, {announced_bytes} were announced; cut off or changed"
            )
        if self._size_bytes is not None and size_bytes != self._size_bytes:
            raise self._size_mismatch(f"{size_bytes} bytes")
        if self._sha256 is not None and sha256 != self._sha256:
            raise ContentMismatchError(
                f"{self._subject}: came sha256 {sha256}, the event declared {self._sha256}; "
                "the object was replaced, or the event is wrong: send it again"
            )

    def _check_limit(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise TooLargeError(
                f"{self._subject}: {size_bytes} bytes or more, expected at most {self._max_bytes} (fetch.max_bytes)"
            )

    def _size_mismatch(self, came: str) -> ContentMismatchError:
        return ContentMismatchError(
            f"{self._subject}: came {came}, the event declared {self._size_bytes}; "
            "the object was replaced, or the event is wrong: send it again"
        )


def _received(incoming: Incoming, file: SpoolFile, promise: _Promise) -> Content:
    """Everything that comes, in the file; hashed on its way."""
    if incoming.size_bytes is not None:
        promise.check_announced(incoming.size_bytes)
        file.reserve(incoming.size_bytes)
    digest = hashlib.sha256()
    for chunk in incoming.chunks:
        promise.check_growing(file.size_bytes + len(chunk))
        file.write(chunk)
        digest.update(chunk)
    file.close()
    promise.check_whole(file.size_bytes, incoming.size_bytes, digest.hexdigest())
    return Content(str(file.path), digest.hexdigest(), file.size_bytes)
