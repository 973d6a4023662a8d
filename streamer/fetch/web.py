"""http and https, with a guard on every connection.

The host is checked and resolved here, and the connection goes to an address that was checked, under the original
name (Host header, TLS). Every redirect starts again from the beginning. No proxy and no credentials are taken from
the environment, nothing is sent but the request, and no content encoding is accepted.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpcore2

from streamer import __version__
from streamer.errors import (
    AccessDeniedError,
    ContentMismatchError,
    FetchFailedError,
    ForbiddenUriError,
    MissingObjectError,
    PoisonError,
    RetryableError,
    SettingsError,
)
from streamer.fetch.addresses import IPAddress, Resolver, host_allowed, vetted_addresses
from streamer.fetch.options import FetchOptions
from streamer.fetch.pace import Pace
from streamer.fetch.source import Incoming
from streamer.fetch.uri import WebUrl, redact, web_url_from_uri

_REDIRECTS = (301, 302, 303, 307, 308)
_MISSING = (404, 410)
_LATER = (408, 421, 425, 429)
_MAX_SHOWN = 160
_MAX_LENGTH_DIGITS = 20


class Web:
    """Implements `Source` for http and https."""

    def __init__(self, options: FetchOptions, resolve: Resolver) -> None:
        self._options = options
        self._resolve = resolve
        self._own_tls = None if options.ca_file is None else _tls_trusting(options.ca_file)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Made when first needed: loading the system's certificates takes 30 ms."""
        return self._own_tls or httpcore2.default_ssl_context()

    @contextmanager
    def open(self, uri: str, pace: Pace) -> Iterator[Incoming]:
        """See `Source`."""
        for _ in range(self._options.max_redirects + 1):
            with self._response(uri, pace) as response:
                if response.status not in _REDIRECTS:
                    yield _incoming(uri, response, pace)
                    return
                uri = _redirected(uri, response)
        raise ForbiddenUriError(
            f"{redact(uri)}: redirected more than {self._options.max_redirects} times; give the final URL"
        )

    @contextmanager
    def _response(self, uri: str, pace: Pace) -> Iterator[httpcore2.Response]:
        url = web_url_from_uri(uri)
        pace.begin("name, connection and TLS", self._options.connect_seconds)
        guard = _Guard(self._addresses(uri, url), pace, self._options.first_byte_seconds)
        scheme, host = url.scheme.encode(), str(url.host).encode()
        origin = httpcore2.Origin(scheme, host, url.port)
        target = httpcore2.URL(scheme=scheme, host=host, port=url.port, target=url.target.encode())
        tls = self._tls if url.scheme == "https" else None
        with _errors(uri, pace), httpcore2.HTTPConnection(origin, tls, network_backend=guard) as connection:
            yield connection.handle_request(httpcore2.Request("GET", target, headers=_headers(url)))

    def _addresses(self, uri: str, url: WebUrl) -> list[IPAddress]:
        options = self._options
        if url.scheme == "http" and not options.allow_http:
            raise ForbiddenUriError(f"{redact(uri)}: plain http; use https or set fetch.allow_http")
        if url.port not in options.http_ports:
            raise ForbiddenUriError(
                f"{redact(uri)}: came port {url.port}, expected one of fetch.http_ports {options.http_ports}"
            )
        if not host_allowed(url.host, options.http_hosts):
            raise ForbiddenUriError(f"{redact(uri)}: host {url.host} is not among fetch.http_hosts")
        return vetted_addresses(url.host, url.port, trusted=options.trusted_networks, resolve=self._resolve)


class _Guard(httpcore2.NetworkBackend):
    """Connects to the addresses that were checked, whatever name it is told."""

    def __init__(self, addresses: Sequence[IPAddress], pace: Pace, first_byte_seconds: float) -> None:
        self._addresses = addresses
        self._pace = pace
        self._first_byte_seconds = first_byte_seconds

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002
        port: int,
        timeout: float | None = None,  # noqa: ARG002
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Tries one address after the other, each for its share of the time."""
        for left in range(len(self._addresses), 0, -1):
            share_seconds = self._pace.remaining_seconds() / left
            try:
                stream = httpcore2.SyncBackend().connect_tcp(
                    str(self._addresses[-left]), port, share_seconds, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if left == 1:
                    raise
            else:
                return _PacedStream(stream, self._pace, self._first_byte_seconds)
        raise httpcore2.ConnectError("no address to connect to")


class _PacedStream(httpcore2.NetworkStream):
    """A connection whose every wait ends when the fetch's time is over."""

    def __init__(self, inner: httpcore2.NetworkStream, pace: Pace, first_byte_seconds: float) -> None:
        self._inner = inner
        self._pace = pace
        self._first_byte_seconds = first_byte_seconds
        self._asked = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._inner.read(max_bytes, self._pace.remaining_seconds())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        if not self._asked:
            self._asked = True
            self._pace.begin("request and headers", self._first_byte_seconds)
        self._inner.write(buffer, self._pace.remaining_seconds())

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        secure = self._inner.start_tls(ssl_context, server_hostname, self._pace.remaining_seconds())
        return _PacedStream(secure, self._pace, self._first_byte_seconds)

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _headers(url: WebUrl) -> list[tuple[bytes, bytes]]:
    return [
        (b"Host", url.host_header.encode()),
        (b"User-Agent", f"earshot/{__version__}".encode()),
        (b"Accept", b"*/*"),
        (b"Accept-Encoding", b"identity"),
        (b"Connection", b"close"),
    ]


def _incoming(uri: str, response: httpcore2.Response, pace: Pace) -> Incoming:
    if response.status != HTTPStatus.OK:
        raise _error_from_status(uri, response.status)
    headers = {name.lower(): value for name, value in response.headers}
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1")
    if encoding.lower() != "identity":
        raise ContentMismatchError(
            f"{redact(uri)}: came Content-Encoding {encoding[:20]!r}, expected the object as it is; store it without"
        )
    length = headers.get(b"content-length", b"")[:_MAX_LENGTH_DIGITS]
    pace.begin_body()
    return Incoming(int(length) if length.isdigit() else None, _chunks(response, pace))


def _chunks(response: httpcore2.Response, pace: Pace) -> Iterator[bytes]:
    assert isinstance(response.stream, Iterable)
    for chunk in response.stream:
        pace.received(len(chunk))
        yield chunk


def _redirected(uri: str, response: httpcore2.Response) -> str:
    location = next((value for name, value in response.headers if name.lower() == b"location"), None)
    if location is None:
        raise FetchFailedError(f"{redact(uri)}: came status {response.status} without Location, expected one")
    try:
        return urljoin(uri, location.decode("latin-1"))
    except ValueError as error:
        raise ForbiddenUriError(f"{redact(uri)}: redirected to something that is no URL") from error


def _error_from_status(uri: str, status: int) -> PoisonError | RetryableError:
    came = f"{redact(uri)}: came status {status}, expected 200"
    if status in _MISSING:
        return MissingObjectError(f"{came}; the object is not there")
    if status in _LATER or not 400 <= status < 500:
        return FetchFailedError(f"{came}; the server may give it later")
    return AccessDeniedError(f"{came}; the server refuses this request, or the signed URL has run out: sign again")


@contextmanager
def _errors(uri: str, pace: Pace) -> Iterator[None]:
    try:
        yield
    except httpcore2.TimeoutException as error:
        raise pace.late() from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
        raise FetchFailedError(f"{redact(uri)}: the connection failed ({str(error)[:_MAX_SHOWN]})") from error


def _tls_trusting(ca_file: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise SettingsError(f"fetch.ca_file {ca_file}: {error}; expected certificates as PEM") from error
