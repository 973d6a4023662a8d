"""Object stores (S3, Google Cloud Storage, Azure) through obstore: the only `obstore` import.

Only buckets that the operator listed, with the operator's credentials; an event names a bucket and a key and cannot
name an endpoint.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import obstore
from obstore.exceptions import BaseError, InvalidPathError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore, from_url

from streamer.errors import (
    AccessDeniedError,
    FetchFailedError,
    ForbiddenUriError,
    MissingObjectError,
    SettingsError,
)
from streamer.fetch.options import BucketOptions, FetchOptions
from streamer.fetch.pace import Pace
from streamer.fetch.source import Incoming
from streamer.fetch.uri import object_name_from_uri, redact

if TYPE_CHECKING:
    from obstore import BytesStream, GetOptions  # obstore has these in its stubs only

_MAX_CHUNK_BYTES = 1 << 20
_RETRIES = 2

R = TypeVar("R")


class Objects:
    """Implements `Source` for s3, gs and az.

    Raises:
        SettingsError: a bucket is configured in a way that obstore does not understand (fatal).
    """

    def __init__(self, options: FetchOptions) -> None:
        self._head_seconds = options.connect_seconds + options.first_byte_seconds
        self._stores = {bucket.url: _store(bucket, options) for bucket in options.buckets}

    @contextmanager
    def open(self, uri: str, pace: Pace) -> Iterator[Incoming]:
        """See `Source`."""
        name = object_name_from_uri(uri)
        store = self._stores.get(name.bucket_url)
        if store is None:
            raise ForbiddenUriError(f"{redact(uri)}: {name.bucket_url} is not among fetch.buckets; add it there")
        options: GetOptions = {"version": name.version} if name.version else {}
        with asyncio.Runner() as runner:
            pace.begin("the object's headers", self._head_seconds)
            result = _run(runner, uri, pace, lambda: obstore.get_async(store, name.key, options=options))
            pace.begin_body()
            stream = result.stream(min_chunk_size=min(_MAX_CHUNK_BYTES, pace.window_bytes))
            yield Incoming(result.meta["size"], _chunks(runner, uri, pace, stream))


def _chunks(runner: asyncio.Runner, uri: str, pace: Pace, stream: BytesStream) -> Iterator[bytes]:
    while True:
        try:
            chunk = bytes(_run(runner, uri, pace, stream.__anext__))
        except StopAsyncIteration:
            return
        pace.received(len(chunk))
        yield chunk


def _run(runner: asyncio.Runner, uri: str, pace: Pace, start: Callable[[], Awaitable[R]]) -> R:
    """One step. obstore's blocking calls cannot be ended from outside; its awaitable ones can."""

    timeout_seconds = pace.remaining_seconds()

    async def step() -> R | None:
        try:
            async with asyncio.timeout(timeout_seconds):
                return await start()
        except TimeoutError:
            return None

    with _errors(uri):
        outcome = runner.run(step())
    # An error raised inside would stay in a reference cycle of asyncio's, and with it the open connection.
    if outcome is None:
        raise pace.late()
    return outcome


@contextmanager
def _errors(uri: str) -> Iterator[None]:
    """obstore's errors as ours. Their text is left out: it quotes requests and answers at length."""
    try:
        yield
    except FileNotFoundError as error:
        raise MissingObjectError(f"{redact(uri)}: the store has no such object") from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise AccessDeniedError(
            f"{redact(uri)}: the store refuses our credentials ({type(error).__name__}); allow them to read this bucket"
        ) from error
    except (InvalidPathError, ValueError) as error:
        raise ForbiddenUriError(f"{redact(uri)}: no key of an object; expected no empty, . or .. parts") from error
    except (BaseError, OSError) as error:
        raise FetchFailedError(f"{redact(uri)}: the store failed ({type(error).__name__})") from error


def _store(bucket: BucketOptions, options: FetchOptions) -> ObjectStore:
    config: Any = {name: value.get_secret_value() for name, value in bucket.config.items()}
    plain = any("endpoint" in name and value.startswith("http://") for name, value in config.items())
    try:
        return from_url(
            bucket.url,
            config=config,
            client_options={
                "allow_http": plain,
                "connect_timeout": timedelta(seconds=options.connect_seconds),
                # Ours is the only clock: a large object may take longer than obstore's 30 s.
                "timeout": timedelta(days=1),
            },
            retry_config={"max_retries": _RETRIES},
        )
    except (BaseError, ValueError) as error:
        came = str(error).partition("\n")[0]
        raise SettingsError(f"fetch.buckets {bucket.url}: {came}; see obstore's settings of that store") from error
