"""Fixtures that all tests share: the real servers, and names that nobody else uses.

Tests on a GPU run on hosts that have neither clients of servers nor all plugins: what is theirs is imported where it
is used.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.examples import examples
from tests.gpu.choice import GpuTests

if TYPE_CHECKING:
    from tests.services.kafka import Broker
    from tests.services.redis import RedisServer

# The small bundle, whose world has a truth to compare with, also in every command that a test starts.
os.environ["EARSHOT_ENGINE__BUNDLE"] = "world"

# Examples are never timed: a busy machine would decide.
if find_spec("hypothesis"):
    from hypothesis import settings

    settings.register_profile("earshot", deadline=None, print_blob=True, max_examples=examples(100))
    settings.load_profile("earshot")


def pytest_addoption(parser: pytest.Parser) -> None:
    """pyproject.toml has an option of pytest-timeout, which is unknown where that is not installed."""
    if find_spec("pytest_timeout") is None:
        parser.addini("timeout", "seconds that a test may take, with pytest-timeout")


def pytest_configure(config: pytest.Config) -> None:
    """Tests on a GPU run where there is one."""
    config.pluginmanager.register(GpuTests())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Slow tests are shared out as `tests/together.py` says."""
    if config.getvalue("dist") != "loadgroup":
        return None
    from tests.together import TogetherScheduling

    return TogetherScheduling(config, log)


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for every test that only talks to it; use `topic_names` to keep out of each other's way."""
    from tests.services.kafka import shared_broker

    broker = shared_broker(tmp_path_factory.mktemp("kafka") / "shared")
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Makes started brokers that the test may kill and freeze: `own_broker({"some.setting": "1"})`."""
    from tests.services.kafka import private_broker

    brokers: list[Broker] = []

    def make(settings: Mapping[str, str] | None = None) -> Broker:
        brokers.append(private_broker(tmp_path / f"kafka-{len(brokers)}", settings))
        brokers[-1].start()
        return brokers[-1]

    try:
        yield make
    finally:
        for broker in brokers:
            broker.stop()


@pytest.fixture(scope="session")
def _shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from tests.services.redis import RedisServer, given_url

    url = given_url()
    if url:
        yield url
        return
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


@pytest.fixture
def redis_url(_shared_redis: str) -> str:
    """The URL of a running Redis, empty at the start of the test."""
    from tests.services.redis import flush

    flush(_shared_redis)
    return _shared_redis


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A started Redis of this test alone: to be killed, frozen and filled."""
    from tests.services.redis import RedisServer

    server = RedisServer(tmp_path / "redis")
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The path of a Chromium; launch it with `tests.services.chromium.ARGS`."""
    from tests.services.chromium import chromium_program

    return chromium_program()


@pytest.fixture
def topic_names() -> Callable[[str], str]:
    """Names that no other test uses: `topic_names("verdicts")`; one word, one answer within a test."""
    run = uuid.uuid4().hex[:12]
    return lambda word: f"t{run}.{word}"
