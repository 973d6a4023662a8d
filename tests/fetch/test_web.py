"""http(s) against real servers that lie, stall, redirect and forge; never beyond loopback."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from streamer.errors import (
    AccessDeniedError,
    ContentMismatchError,
    EarshotError,
    FetchFailedError,
    ForbiddenUriError,
    MissingObjectError,
    SettingsError,
    TooLargeError,
)
from streamer.fetch import Fetcher
from tests.fetch.certificates import Authority
from tests.fetch.conftest import MakeFetcher
from tests.fetch.servers import Server, ok, redirect, response

BODY = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(BODY).hexdigest()
SECONDS = 30.0

WebFetcher = Callable[..., Fetcher]


def fetched(fetcher: Fetcher, uri: str, *, sha256: str | None = None, size_bytes: int | None = None) -> bytes:
    with fetcher.fetch(uri, sha256=sha256, size_bytes=size_bytes, timeout_seconds=SECONDS) as content:
        body = Path(content.path).read_bytes()
        assert (len(body), hashlib.sha256(body).hexdigest()) == (content.size_bytes, content.sha256)
    assert not Path(content.path).exists()
    return body


def test_gives_the_object(web_fetcher: WebFetcher) -> None:
    with Server(ok(BODY)) as server:
        uri = server.url("/a b/v.mp4?sig=x%20y")
        assert fetched(web_fetcher(server.port), uri, sha256=SHA256.upper(), size_bytes=len(BODY)) == BODY
    request = server.requests[0].decode()
    assert request.startswith("GET /a%20b/v.mp4?sig=x%20y HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{server.port}\r\n" in request
    assert "Accept-Encoding: identity\r\n" in request
    assert "cookie" not in request.lower() and "authorization" not in request.lower()


def test_chunked_and_endless_connections(web_fetcher: WebFetcher) -> None:
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(BODY[i : i + 999]), BODY[i : i + 999]) for i in range(0, len(BODY), 999))
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n"
    with Server(lambda _: [chunked]) as server:
        assert fetched(web_fetcher(server.port), server.url()) == BODY
    with Server(lambda _: [b"HTTP/1.0 200 OK\r\n\r\n", BODY]) as server:
        assert fetched(web_fetcher(server.port), server.url()) == BODY


def test_the_environment_is_not_asked(web_fetcher: WebFetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(ok(BODY)) as server, Server(ok(b"proxied")) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        assert fetched(web_fetcher(server.port), server.url()) == BODY
        assert proxy.connections == 0


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, AccessDeniedError), (401, AccessDeniedError), (403, AccessDeniedError), (404, MissingObjectError),
        (410, MissingObjectError), (408, FetchFailedError), (416, AccessDeniedError), (425, FetchFailedError),
        (429, FetchFailedError), (500, FetchFailedError), (502, FetchFailedError), (503, FetchFailedError),
        (599, FetchFailedError), (204, FetchFailedError), (206, FetchFailedError), (304, FetchFailedError),
    ],
)  # fmt: skip
def test_statuses(web_fetcher: WebFetcher, status: int, expected: type[EarshotError]) -> None:
    with Server(lambda _: [response(status)]) as server, pytest.raises(expected, match=f"came status {status}"):
        fetched(web_fetcher(server.port), server.url())


def test_no_secret_in_any_message(web_fetcher: WebFetcher) -> None:
    with Server(lambda _: [response(403)]) as server:
        uri = server.url("/v.mp4?X-Amz-Signature=CANARY#CANARY")
        with pytest.raises(AccessDeniedError) as caught:
            fetched(web_fetcher(server.port), uri)
        assert "CANARY" not in str(caught.value) and "/v.mp4" in str(caught.value)
        with pytest.raises(ForbiddenUriError) as forbidden:
            fetched(web_fetcher(server.port), uri.replace("//", "//CANARY:CANARY@"))
        assert "CANARY" not in str(forbidden.value)
    with Server(lambda _: [redirect("http://169.254.169.254/v?CANARY")]) as server:
        with pytest.raises(ForbiddenUriError) as forbidden:
            fetched(web_fetcher(server.port), server.url())
        assert "CANARY" not in str(forbidden.value)


# --- where it may go ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "017700000001", "127.0.0.1.", "localhost",
     "localhost.", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]",
     "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "0", "0.0.0.0", "[::]", "127。0。0。1", "①②⑦.0.0.1",
     "127.0.0.1%2f@h", "x@127.0.0.1", "127.0.0.1\\@8.8.8.8", "127.000.000.001", "0x7f.1", "127.0.1"],
)  # fmt: skip
def test_loopback_in_no_spelling(make_fetcher: MakeFetcher, host: str) -> None:
    with Server(ok(b"canary")) as canary:
        fetcher = make_fetcher(allow_http=True, http_ports=(canary.port,))
        with pytest.raises(ForbiddenUriError):
            fetched(fetcher, f"http://{host}:{canary.port}/v.mp4")
        assert canary.connections == 0


@pytest.mark.parametrize(
    "uri",
    ["http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://metadata/", "http://10.0.0.1/",
     "http://100.100.100.200/", "http://168.63.129.16/", "gopher://127.0.0.1/", "ftp://127.0.0.1/", "data:,x",
     "jar:file:///etc/passwd", "unix:///run/docker.sock", "dict://127.0.0.1:6379/info", "http:", "http://", "//h/v"],
)  # fmt: skip
def test_forbidden(make_fetcher: MakeFetcher, uri: str) -> None:
    with pytest.raises(ForbiddenUriError):
        fetched(make_fetcher(lambda host, port: ["169.254.169.254"], allow_http=True), uri)


def test_ports_schemes_and_hosts_are_listed(web_fetcher: WebFetcher) -> None:
    with Server(ok(BODY)) as server:
        with pytest.raises(ForbiddenUriError, match=r"expected one of fetch\.http_ports"):
            fetched(web_fetcher(443), server.url())
        with pytest.raises(ForbiddenUriError, match=r"use https or set fetch\.allow_http"):
            fetched(web_fetcher(server.port, allow_http=False), server.url())
        with pytest.raises(ForbiddenUriError, match=r"not among fetch\.http_hosts"):
            fetched(web_fetcher(server.port, http_hosts=("*.example.com",)), server.url())
        assert server.connections == 0
        assert fetched(web_fetcher(server.port, http_hosts=("127.0.0.1",)), server.url()) == BODY


def test_a_name_that_flips_is_asked_once(make_fetcher: MakeFetcher) -> None:
    """127.0.0.1 plays the public address, 127.0.0.2 the inner one that the second answer points to."""
    with Server(ok(BODY)) as public, Server(ok(b"inner"), address="127.0.0.2", port=public.port) as inner:
        answers = iter([["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2"]])
        asked: list[str] = []

        def resolve(host: str, port: int) -> Sequence[str]:
            asked.append(host)
            return next(answers)

        fetcher = make_fetcher(resolve, allow_http=True, http_ports=(public.port,), trusted_networks=("127.0.0.1/32",))
        uri = public.url(host="flip.example")
        assert fetched(fetcher, uri) == BODY
        assert asked == ["flip.example"]
        assert f"Host: flip.example:{public.port}\r\n".encode() in public.requests[0]
        with pytest.raises(ForbiddenUriError, match=r"127\.0\.0\.2, which is not public"):
            fetched(fetcher, uri)
        assert inner.connections == 0


def test_one_bad_answer_among_good_ones(make_fetcher: MakeFetcher) -> None:
    with Server(ok(BODY)) as server:
        fetcher = make_fetcher(
            lambda host, port: ["127.0.0.1", "10.0.0.1"],
            allow_http=True,
            http_ports=(server.port,),
            trusted_networks=("127.0.0.1/32",),
        )
        with pytest.raises(ForbiddenUriError):
            fetched(fetcher, server.url(host="h.example"))
        assert server.connections == 0


def test_the_next_address_when_one_does_not_answer(make_fetcher: MakeFetcher) -> None:
    with Server(ok(BODY)) as server:
        fetcher = make_fetcher(
            lambda host, port: ["127.0.0.9", "127.0.0.1"],
            allow_http=True,
            http_ports=(server.port,),
            trusted_networks=("127.0.0.0/8",),
        )
        assert fetched(fetcher, server.url(host="h.example")) == BODY


# --- redirects ------------------------------------------------------------------------------------------------


def _path(request: bytes) -> str:
    return request.split(b" ", 2)[1].decode()


def _hops(request: bytes) -> Iterable[bytes]:
    left = int(_path(request).rpartition("/")[2])
    return [redirect(f"/hop/{left - 1}")] if left else [response(200, BODY)]


def test_three_redirects_and_no_more(web_fetcher: WebFetcher) -> None:
    with Server(_hops) as server:
        fetcher = web_fetcher(server.port)
        assert fetched(fetcher, server.url("/hop/3")) == BODY
        assert server.connections == 4
        with pytest.raises(ForbiddenUriError, match="redirected more than 3 times"):
            fetched(fetcher, server.url("/hop/4"))
        assert server.connections == 8


def test_a_loop_ends(web_fetcher: WebFetcher) -> None:
    with Server(lambda _: [redirect("/v.mp4", 307)]) as server, pytest.raises(ForbiddenUriError):
        fetched(web_fetcher(server.port), server.url())
    assert server.connections == 4


@pytest.mark.parametrize(
    "location",
    ["http://169.254.169.254/latest/meta-data/", "http://127.0.0.2:{port}/", "//127.0.0.2:{port}/v",
     "http://2130706434:{port}/", "file:///etc/passwd", "s3://bucket/key", "http://127.0.0.1:22/",
     "http://u:p@127.0.0.1:{port}/", "http://[::1]:{port}/", "http://[", "javascript:alert(1)"],
)  # fmt: skip
def test_redirects_are_checked_like_the_first_url(web_fetcher: WebFetcher, location: str) -> None:
    with Server(ok(b"canary"), address="127.0.0.2") as canary:
        target = location.format(port=canary.port)
        with Server(lambda _: [redirect(target)]) as server, pytest.raises(ForbiddenUriError):
            fetched(web_fetcher(server.port, canary.port), server.url())
        assert canary.connections == 0


def test_a_redirect_to_nowhere(web_fetcher: WebFetcher) -> None:
    with Server(lambda _: [response(302)]) as server, pytest.raises(FetchFailedError, match="without Location"):
        fetched(web_fetcher(server.port), server.url())


# --- lies and faults ------------------------------------------------------------------------------------------


def test_cut_off(web_fetcher: WebFetcher) -> None:
    with (
        Server(lambda _: [response(200, BODY[:1000], length=len(BODY))]) as server,
        pytest.raises(FetchFailedError, match="the connection failed"),
    ):
        fetched(web_fetcher(server.port), server.url())


def test_reset(web_fetcher: WebFetcher) -> None:
    def answer(request: bytes) -> Iterable[bytes]:
        yield response(200, BODY[:1000], length=len(BODY))
        raise ConnectionResetError

    with Server(answer) as server, pytest.raises(FetchFailedError):
        fetched(web_fetcher(server.port), server.url())


def test_nobody_listens(web_fetcher: WebFetcher) -> None:
    with Server(ok(b"")) as server:
        pass
    with pytest.raises(FetchFailedError, match="the connection failed"):
        fetched(web_fetcher(server.port), server.url())


@pytest.mark.parametrize("noise", [b"", b"\x16\x03\x01", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 2", b"x" * 300_000])
def test_not_http(web_fetcher: WebFetcher, noise: bytes) -> None:
    with Server(lambda _: [noise]) as server, pytest.raises(FetchFailedError):
        fetched(web_fetcher(server.port), server.url())


def test_endless_headers(web_fetcher: WebFetcher) -> None:
    with (
        Server(lambda _: [b"HTTP/1.1 200 OK\r\n", *([b"X: " + b"y" * 1000 + b"\r\n"] * 1000)]) as server,
        pytest.raises(FetchFailedError),
    ):
        fetched(web_fetcher(server.port), server.url())


def test_encoded_bodies_are_refused(web_fetcher: WebFetcher) -> None:
    with (
        Server(ok(b"\x1f\x8b" + bytes(100), "Content-Encoding: gzip")) as server,
        pytest.raises(ContentMismatchError, match="came Content-Encoding 'gzip'"),
    ):
        fetched(web_fetcher(server.port), server.url())


def test_declared_size_and_hash(web_fetcher: WebFetcher) -> None:
    with Server(ok(BODY)) as server:
        fetcher = web_fetcher(server.port)
        with pytest.raises(ContentMismatchError, match=f"came {len(BODY)} bytes, the event declared 7"):
            fetched(fetcher, server.url(), size_bytes=7)
        with pytest.raises(ContentMismatchError, match=f"came sha256 {SHA256}, the event declared {'0' * 64}"):
            fetched(fetcher, server.url(), sha256="0" * 64)
        before = server.connections
        with pytest.raises(ContentMismatchError, match="no sha256"):
            fetched(fetcher, server.url(), sha256="xyz")
        assert server.connections == before


def test_too_large_by_its_own_word(web_fetcher: WebFetcher) -> None:
    with Server(ok(BODY)) as server, pytest.raises(TooLargeError, match="expected at most 1000"):
        fetched(web_fetcher(server.port, max_bytes=1000), server.url())


def test_too_large_by_the_event_is_not_even_asked_for(web_fetcher: WebFetcher) -> None:
    with Server(ok(BODY)) as server, pytest.raises(TooLargeError):
        fetched(web_fetcher(server.port, max_bytes=1000), server.url(), size_bytes=1001)
    assert server.connections == 0


@pytest.mark.parametrize("declared", [None, 100_000])
def test_too_large_without_a_word(web_fetcher: WebFetcher, declared: int | None) -> None:
    """An endless body, no length: what counts is what comes."""

    def endless(request: bytes) -> Iterable[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while not server.closed:
            yield bytes(65536)

    with Server(endless) as server:
        expected = TooLargeError if declared is None else ContentMismatchError
        with pytest.raises(expected):
            fetched(web_fetcher(server.port, max_bytes=1_000_000), server.url(), size_bytes=declared)


# --- slowness: the limits are small here, and the same servers pass with large ones ---------------------------


def _drip(server_of: list[Server], head: bytes, drops: int) -> Iterable[bytes]:
    yield head
    for _ in range(drops):
        server_of[0].wait(0.05)
        yield b"x"


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"rate_window_seconds": 0.3, "min_bytes_per_second": 1000}, r"0\.3 s for every 300 bytes"),
        ({"rate_window_seconds": 20.0, "min_bytes_per_second": 1}, None),
    ],
)
def test_a_trickling_body(web_fetcher: WebFetcher, limits: dict[str, object], reason: str | None) -> None:
    servers: list[Server] = []
    with Server(lambda _: _drip(servers, response(200, length=20), 20)) as server:
        servers.append(server)
        fetcher = web_fetcher(server.port, **limits)
        if reason is None:
            assert fetched(fetcher, server.url()) == b"x" * 20
        else:
            with pytest.raises(FetchFailedError, match=reason):
                fetched(fetcher, server.url())


@pytest.mark.parametrize(("seconds", "passes"), [(0.3, False), (20.0, True)])
def test_trickling_headers(web_fetcher: WebFetcher, seconds: float, passes: bool) -> None:
    servers: list[Server] = []

    def answer(request: bytes) -> Iterable[bytes]:
        yield from _drip(servers, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: ", 20)
        yield b"\r\n\r\nok"

    with Server(answer) as server:
        servers.append(server)
        fetcher = web_fetcher(server.port, first_byte_seconds=seconds)
        if passes:
            assert fetched(fetcher, server.url()) == b"ok"
        else:
            with pytest.raises(FetchFailedError, match=r"0\.3 s for request and headers"):
                fetched(fetcher, server.url())


def test_silence(web_fetcher: WebFetcher) -> None:
    def answer(request: bytes) -> Iterable[bytes]:
        server.wait(60)
        yield b""

    with Server(answer) as server, pytest.raises(FetchFailedError, match="0 bytes came"):
        fetched(web_fetcher(server.port, first_byte_seconds=0.2), server.url())


def test_a_standstill_after_a_fast_start(web_fetcher: WebFetcher) -> None:
    def answer(request: bytes) -> Iterable[bytes]:
        yield response(200, BODY, length=len(BODY) + 1)
        server.wait(60)

    with Server(answer) as server:
        fetcher = web_fetcher(server.port, rate_window_seconds=0.3, min_bytes_per_second=1000)
        with pytest.raises(FetchFailedError, match="too slow"):
            fetched(fetcher, server.url())


def test_the_callers_deadline(web_fetcher: WebFetcher) -> None:
    def answer(request: bytes) -> Iterable[bytes]:
        server.wait(60)
        yield b""

    with (
        Server(answer) as server,
        pytest.raises(FetchFailedError, match=r"0\.2 s in total"),
        web_fetcher(server.port).fetch(server.url(), timeout_seconds=0.2),
    ):
        pass


def test_a_connection_that_is_never_accepted(web_fetcher: WebFetcher) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        with (
            socket.create_connection(("127.0.0.1", port)),  # fills the queue
            pytest.raises(FetchFailedError, match="too slow"),
        ):
            fetched(web_fetcher(port, connect_seconds=0.2, first_byte_seconds=0.2), f"http://127.0.0.1:{port}/")


# --- TLS ------------------------------------------------------------------------------------------------------


def test_tls_is_checked_against_the_name_not_the_address(make_fetcher: MakeFetcher, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    names: list[str | None] = []
    with Server(ok(BODY), tls=authority.server_context("media.example", names)) as server:

        def fetcher(**options: object) -> Fetcher:
            settings = {"http_ports": (server.port,), "trusted_networks": ("127.0.0.1/32",)}
            return make_fetcher(lambda host, port: ["127.0.0.1"], **(settings | options))

        trusting = fetcher(ca_file=authority.certificate_file)
        assert fetched(trusting, server.url(host="media.example")) == BODY
        assert names == ["media.example"]
        assert f"Host: media.example:{server.port}\r\n".encode() in server.requests[0]
        with pytest.raises(FetchFailedError, match="certificate"):
            fetched(trusting, server.url(host="other.example"))
        with pytest.raises(FetchFailedError, match="certificate"):
            fetched(fetcher(), server.url(host="media.example"))
        assert len(server.requests) == 1


def test_no_way_down_from_https(make_fetcher: MakeFetcher, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with Server(ok(b"plain")) as plain:
        tls = authority.server_context("media.example", [])
        with Server(lambda _: [redirect(plain.url())], tls=tls) as server:
            fetcher = make_fetcher(
                lambda host, port: ["127.0.0.1"],
                http_ports=(server.port, plain.port),
                trusted_networks=("127.0.0.1/32",),
                ca_file=authority.certificate_file,
            )
            with pytest.raises(ForbiddenUriError, match="plain http"):
                fetched(fetcher, server.url(host="media.example"))
        assert plain.connections == 0


def test_a_handshake_that_never_ends(web_fetcher: WebFetcher) -> None:
    with (
        Server(ok(b"")) as server,  # speaks no TLS and waits for a request
        pytest.raises(FetchFailedError, match=r"0\.3 s for name, connection and TLS"),
    ):
        fetched(web_fetcher(server.port, connect_seconds=0.3), server.url().replace("http:", "https:"))


def test_certificates_that_are_none(make_fetcher: MakeFetcher, tmp_path: Path) -> None:
    for bad in (tmp_path / "missing.pem", Path(__file__)):
        with pytest.raises(SettingsError, match=r"fetch\.ca_file"):
            make_fetcher(ca_file=bad)
