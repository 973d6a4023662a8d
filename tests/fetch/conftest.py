"""Fetchers that are closed in the end and leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamer.fetch import Fetcher, FetchOptions
from streamer.fetch.addresses import Resolver, resolve_host

MakeFetcher = Callable[..., Fetcher]


@pytest.fixture
def make_fetcher(tmp_path: Path) -> Iterator[MakeFetcher]:
    """`make_fetcher(resolve=..., **options)`; checks afterwards that the spool is empty."""
    fetchers: list[Fetcher] = []
    spool = tmp_path / "spool"

    def make(resolve: Resolver = resolve_host, **options: object) -> Fetcher:
        settings = {"spool_dir": spool, "connect_seconds": 20.0, "first_byte_seconds": 20.0} | options
        fetchers.append(Fetcher(FetchOptions.model_validate(settings), resolve=resolve))
        return fetchers[-1]

    yield make
    for fetcher in fetchers:
        assert fetcher.spooled_bytes == 0
    assert [path for path in spool.rglob("*") if path.is_file()] == []
    for fetcher in fetchers:
        fetcher.close()
    assert not spool.exists() or list(spool.iterdir()) == []


@pytest.fixture
def web_fetcher(make_fetcher: MakeFetcher) -> Callable[..., Fetcher]:
    """`web_fetcher(port, ...)`: one that may talk to servers on 127.0.0.1."""

    def make(*ports: int, **options: object) -> Fetcher:
        settings = {"allow_http": True, "http_ports": ports, "trusted_networks": ("127.0.0.1/32",)}
        return make_fetcher(**(settings | options))

    return make
