"""One fetcher, many threads, good and bad objects: nothing is mixed up and nothing is left open."""

from __future__ import annotations

import gc
import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from streamer.errors import EarshotError, ForbiddenUriError
from streamer.fetch import Fetcher
from tests.fetch.conftest import MakeFetcher
from tests.fetch.servers import Server, response


def _answer(request: bytes) -> list[bytes]:
    """/200/7 is a body of 7 thousand bytes; /503/7 an error; /cut/7 breaks off."""
    _, kind, size = request.split(b" ")[1].decode().split("/")
    body = bytes([int(size)]) * 1000 * int(size)
    if kind == "cut":
        return [response(200, body, length=len(body) + 1)]
    return [response(int(kind), body)]


def test_many_threads_and_nothing_left_open(tmp_path: Path, web_fetcher: Callable[..., Fetcher]) -> None:
    (tmp_path / "v.mp4").write_bytes(b"local")
    with Server(_answer) as server:
        fetcher = web_fetcher(server.port, file_roots=(tmp_path,), max_bytes=50_000)

        def outcome(n: int) -> str:
            kinds = (f"/200/{n % 99}", f"/503/{n % 99}", f"/cut/{n % 40}", f"/404/{n % 99}")
            uri = str(tmp_path / "v.mp4") if n % 5 == 4 else server.url(kinds[n % 5])
            try:
                with fetcher.fetch(uri, timeout_seconds=60) as content:
                    body = Path(content.path).read_bytes()
            except EarshotError as error:
                return error.reason
            expected = b"local" if n % 5 == 4 else bytes([n % 99]) * 1000 * (n % 99)
            assert (body, content.sha256) == (expected, hashlib.sha256(expected).hexdigest())
            return "fetched"

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(outcome, range(50)))
            server.settle()
            before = _open_files(), threading.active_count()
            outcomes = set(pool.map(outcome, range(400)))
            server.settle()
            assert (_open_files(), threading.active_count()) == before
    assert outcomes == {"fetched", "fetch_failed", "missing_object", "too_large"}


def _open_files() -> int:
    gc.collect()
    return psutil.Process().num_fds()


def test_schemes_that_are_none(make_fetcher: MakeFetcher) -> None:
    for uri in ("", "v.mp4", "./v.mp4", "ftp://h/v", "S3", "c:\\v.mp4"):
        with (
            pytest.raises(ForbiddenUriError, match="expected one of file, http, https, s3, gs, az"),
            make_fetcher().fetch(uri, timeout_seconds=1),
        ):
            pass
