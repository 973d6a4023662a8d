"""Object stores: an S3 server on a real port, and servers that only pretend to be one."""

from __future__ import annotations

import gc
import hashlib
import http.client
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr, ValidationError

from streamer.errors import (
    AccessDeniedError,
    ContentMismatchError,
    EarshotError,
    FetchFailedError,
    ForbiddenUriError,
    MissingObjectError,
    SettingsError,
    SpoolFullError,
    TooLargeError,
)
from streamer.fetch import BucketOptions, Fetcher
from tests.fetch.conftest import MakeFetcher
from tests.fetch.servers import Server, response

BODY = bytes(range(256)) * 20_000
SHA256 = hashlib.sha256(BODY).hexdigest()
BUCKET = "uploads"

S3Fetcher = Callable[..., Fetcher]


#: moto checks who, not the signature.
_OWNER = {
    "Host": "s3.amazonaws.com",
    "Content-Type": "",
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, "
    "Signature=0",
}


class S3:
    """A bucket on a server of its own."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, self.port = self._server.get_host_and_port()
        self.endpoint = f"http://{host}:{self.port}"
        self.call("PUT", f"/{BUCKET}")

    def call(self, method: str, path: str, body: bytes = b"") -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            connection.request(method, path, body, _OWNER)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()
            return answer
        finally:
            connection.close()

    def put(self, key: str, body: bytes) -> str | None:
        """The version that was made, where the bucket has versions."""
        return self.call("PUT", f"/{BUCKET}/{key}", body).getheader("x-amz-version-id")

    def close(self) -> None:
        self._server.stop()


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    server = S3()
    yield server
    server.close()


def bucket(endpoint: str, name: str = BUCKET) -> BucketOptions:
    config = {
        "endpoint": endpoint,
        "region": "us-east-1",
        "access_key_id": "test",
        "secret_access_key": "CANARY",
        "virtual_hosted_style_request": "false",
    }
    return BucketOptions(url=f"s3://{name}", config={key: SecretStr(value) for key, value in config.items()})


@pytest.fixture
def s3_fetcher(s3: S3, make_fetcher: MakeFetcher) -> S3Fetcher:
    def make(endpoint: str = s3.endpoint, **options: object) -> Fetcher:
        return make_fetcher(buckets=(bucket(endpoint), bucket(endpoint, "never-made")), **options)

    return make


def fetched(fetcher: Fetcher, uri: str, **declared: object) -> bytes:
    with fetcher.fetch(uri, timeout_seconds=30, **declared) as content:  # type: ignore[arg-type]
        body = Path(content.path).read_bytes()
        assert content.sha256 == hashlib.sha256(body).hexdigest()
        return body


def test_gives_the_object(s3: S3, s3_fetcher: S3Fetcher) -> None:
    s3.put("a/v.mp4", BODY)
    s3.put("a/odd%20%C3%BC%23name", b"odd")
    s3.put("empty", b"")
    fetcher = s3_fetcher()
    assert fetched(fetcher, f"s3://{BUCKET}/a/v.mp4", sha256=SHA256, size_bytes=len(BODY)) == BODY
    assert fetched(fetcher, f"S3://{BUCKET}/a/v.mp4") == BODY
    assert fetched(fetcher, f"s3://{BUCKET}/a/odd ü#name") == b"odd"
    assert fetched(fetcher, f"s3://{BUCKET}/empty") == b""


def test_a_version(s3: S3, s3_fetcher: S3Fetcher) -> None:
    enabled = b'<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status>'
    s3.call("PUT", f"/{BUCKET}?versioning", enabled + b"</VersioningConfiguration>")
    first = s3.put("v", b"first")
    s3.put("v", b"second")
    fetcher = s3_fetcher()
    assert fetched(fetcher, f"s3://{BUCKET}/v") == b"second"
    assert fetched(fetcher, f"s3://{BUCKET}/v?versionId={first}") == b"first"


def test_missing(s3_fetcher: S3Fetcher) -> None:
    for uri in (f"s3://{BUCKET}/no", "s3://never-made/no"):
        with pytest.raises(MissingObjectError, match="no such object"):
            fetched(s3_fetcher(), uri)


@pytest.mark.parametrize(
    "uri",
    ["s3://other/k", "gs://uploads/k", "s3://uploads.evil/k", "s3://u@uploads/k", "s3://uploads/a/../../other/k",
     "s3://uploads/a//k", "s3://uploads/./k", "s3://uploads/a\nb", "s3://uploads/", "s3://uploads/k?x=1", "s3://",
     "s3:uploads/k", "az://uploads/k"],
)  # fmt: skip
def test_only_listed_buckets_and_proper_keys(s3_fetcher: S3Fetcher, uri: str) -> None:
    with pytest.raises(ForbiddenUriError):
        fetched(s3_fetcher(), uri)


def test_limits_and_declarations(s3: S3, s3_fetcher: S3Fetcher) -> None:
    s3.put("v.mp4", BODY)
    uri = f"s3://{BUCKET}/v.mp4"
    with pytest.raises(TooLargeError):
        fetched(s3_fetcher(max_bytes=len(BODY) - 1), uri)
    with pytest.raises(ContentMismatchError):
        fetched(s3_fetcher(), uri, size_bytes=len(BODY) + 1)
    with pytest.raises(ContentMismatchError):
        fetched(s3_fetcher(), uri, sha256="0" * 64)
    fetcher = s3_fetcher(max_bytes=len(BODY), spool_max_bytes=len(BODY))
    with fetcher.fetch(uri, timeout_seconds=30), pytest.raises(SpoolFullError):
        fetched(fetcher, uri)


def _head(length: int) -> bytes:
    return response(200, b"", "ETag: x", "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT", length=length)


@pytest.mark.parametrize(
    ("status", "expected"),
    [(401, AccessDeniedError), (403, AccessDeniedError), (404, MissingObjectError), (503, FetchFailedError)],
)
def test_statuses(s3_fetcher: S3Fetcher, status: int, expected: type[EarshotError]) -> None:
    with (
        Server(lambda _: [response(status, b"<Error><Code>CANARY</Code></Error>")]) as server,
        pytest.raises(expected) as caught,
    ):
        fetched(s3_fetcher(server.url("")), f"s3://{BUCKET}/k")
    assert "CANARY" not in str(caught.value)


def test_a_store_that_says_nothing(s3_fetcher: S3Fetcher) -> None:
    def answer(request: bytes) -> Iterable[bytes]:
        server.wait(60)
        yield b""

    with Server(answer) as server, pytest.raises(FetchFailedError, match=r"0\.4 s for the object's headers"):
        fetched(s3_fetcher(server.url(""), connect_seconds=0.2, first_byte_seconds=0.2), f"s3://{BUCKET}/k")


@pytest.mark.parametrize("sent", [b"", _head(1000) + b"x"])
def test_a_connection_given_up_is_closed_at_once(s3_fetcher: S3Fetcher, sent: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:

        def until_closed() -> bytes:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(30)
                connection.recv(65536)
                connection.sendall(sent)
                return connection.recv(1)

        stalled = pool.submit(until_closed)
        limits = {"connect_seconds": 0.2, "first_byte_seconds": 0.2, "rate_window_seconds": 0.4}
        fetcher = s3_fetcher(f"http://127.0.0.1:{listener.getsockname()[1]}", **limits)
        gc.disable()
        try:
            with pytest.raises(FetchFailedError, match="too slow"):
                fetched(fetcher, f"s3://{BUCKET}/k")
            assert stalled.result() == b""
        finally:
            gc.enable()


@pytest.mark.parametrize(("window_seconds", "passes"), [(0.4, False), (20.0, True)])
def test_a_store_that_trickles(s3_fetcher: S3Fetcher, window_seconds: float, passes: bool) -> None:
    def answer(request: bytes) -> Iterable[bytes]:
        yield _head(20)
        for _ in range(20):
            server.wait(0.05)
            yield b"x"

    with Server(answer) as server:
        fetcher = s3_fetcher(server.url(""), rate_window_seconds=window_seconds, min_bytes_per_second=1000)
        if passes:
            assert fetched(fetcher, f"s3://{BUCKET}/k") == b"x" * 20
        else:
            with pytest.raises(FetchFailedError, match=r"0\.4 s for every 400 bytes"):
                fetched(fetcher, f"s3://{BUCKET}/k")


def test_a_store_that_breaks_off(s3_fetcher: S3Fetcher) -> None:
    """Asked again for the rest by obstore, it gives nothing more."""
    with (
        Server(lambda _: [_head(1000) + bytes(10)]) as server,
        pytest.raises(FetchFailedError),
    ):
        fetched(s3_fetcher(server.url("")), f"s3://{BUCKET}/k")


def test_nobody_listens(s3_fetcher: S3Fetcher) -> None:
    with Server(lambda _: []) as server:
        pass
    with pytest.raises(FetchFailedError, match="the store failed"):
        fetched(s3_fetcher(server.url("")), f"s3://{BUCKET}/k")


def test_configurations_that_cannot_work(make_fetcher: MakeFetcher) -> None:
    wrong = BucketOptions(url="s3://uploads", config={"acess_key_id": SecretStr("CANARY")})
    with pytest.raises(SettingsError, match="'acess_key_id' is not valid") as caught:
        make_fetcher(buckets=(wrong,))
    assert "CANARY" not in str(caught.value)
    with pytest.raises(ValidationError, match="url"):
        BucketOptions(url="https://uploads.s3.amazonaws.com")
    with pytest.raises(SettingsError, match="az://uploads"):
        make_fetcher(buckets=(BucketOptions(url="az://uploads"),))
    make_fetcher(buckets=(BucketOptions(url="gs://uploads"), BucketOptions(url="s3://uploads")))
