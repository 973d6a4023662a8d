"""The servers themselves: what tests of the stream rely on when they stop, kill and freeze them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from redis import Redis
from redis.exceptions import RedisError

from tests.services import install
from tests.services.kafka import Broker, JvmBroker
from tests.services.redis import RedisServer

pytestmark = pytest.mark.services

_PATIENCE_SECONDS = 30.0


def write(broker: Broker, topic: str, count: int) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True})
    for index in range(count):
        producer.produce(topic, value=str(index).encode())
    assert producer.flush(_PATIENCE_SECONDS) == 0


def read(broker: Broker, topic: str, count: int, group_protocol: str = "classic") -> list[bytes]:
    options = {"group.id": f"{topic}.{group_protocol}", "auto.offset.reset": "earliest"}
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.protocol": group_protocol, **options})
    consumer.subscribe([topic])
    values: list[bytes] = []
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while len(values) < count and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            values.append(message.value() or b"")
    consumer.close()
    return values


@pytest.mark.parametrize("group_protocol", ["classic", "consumer"])
def test_records_come_back_under_both_group_protocols(
    kafka_broker: Broker, topic_names: Callable[[str], str], group_protocol: str
) -> None:
    topic = topic_names("in")
    kafka_broker.create_topics(topic, partitions=1)
    write(kafka_broker, topic, 20)
    assert read(kafka_broker, topic, 20, group_protocol) == [str(index).encode() for index in range(20)]


def test_topics_are_never_made_by_accident(kafka_broker: Broker, topic_names: Callable[[str], str]) -> None:
    producer = Producer({"bootstrap.servers": kafka_broker.bootstrap, "topic.metadata.propagation.max.ms": 200})
    errors: list[object] = []
    producer.produce(topic_names("unmade"), value=b"", on_delivery=lambda error, _: errors.append(error))
    producer.flush(_PATIENCE_SECONDS)
    assert len(errors) == 1
    assert errors[0] is not None


def test_transactions_hide_what_was_aborted(kafka_broker: Broker, topic_names: Callable[[str], str]) -> None:
    topic = topic_names("out")
    kafka_broker.create_topics(topic, partitions=1)
    producer = Producer({"bootstrap.servers": kafka_broker.bootstrap, "transactional.id": topic})
    producer.init_transactions()
    for word, finish in (("no", producer.abort_transaction), ("yes", producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value=word.encode())
        finish()
    assert read(kafka_broker, topic, 1) == [b"yes"]


def test_a_killed_broker_comes_back_with_its_records(own_broker: Callable[[], Broker]) -> None:
    broker = own_broker()
    broker.create_topics("in", partitions=1)
    write(broker, "in", 5)
    broker.kill()
    with pytest.raises(KafkaException):
        broker.admin().list_topics(timeout=0.5)
    broker.start()
    write(broker, "in", 5)
    assert len(read(broker, "in", 10)) == 10


def test_a_frozen_broker_answers_again_after_it_is_resumed(own_broker: Callable[[], Broker]) -> None:
    broker = own_broker()
    broker.pause()
    with pytest.raises(KafkaException):
        broker.admin().list_topics(timeout=0.5)
    broker.resume()
    broker.wait_until_ready()


def test_a_broker_can_be_restarted_while_frozen_and_keeps_its_address(
    own_broker: Callable[[], Broker],
) -> None:
    broker = own_broker()
    address = broker.bootstrap
    broker.create_topics("in")
    broker.pause()
    broker.restart()
    assert broker.bootstrap == address
    assert "in" in broker.admin().list_topics(timeout=5).topics


def test_redis_can_be_killed_frozen_and_restarted(redis_server: RedisServer) -> None:
    client = Redis.from_url(redis_server.url, socket_timeout=0.5)
    client.set("key", "value")
    redis_server.pause()
    with pytest.raises(RedisError):
        client.get("key")
    redis_server.resume()
    assert client.get("key") == b"value"
    redis_server.kill()
    with pytest.raises(RedisError):
        client.get("key")
    redis_server.start()
    assert client.get("key") is None
    client.close()


def test_the_shared_redis_is_empty_at_the_start_of_a_test(redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


@pytest.mark.parametrize("server", ["kafka", "redis"])
def test_servers_end_with_a_test_run_that_is_killed(tmp_path: Path, server: str) -> None:
    make = {
        "kafka": "from tests.services.kafka import JvmBroker as Server",
        "redis": "from tests.services.redis import RedisServer as Server",
    }[server]
    script = (
        f"{make}; import pathlib, sys, time; server = Server(pathlib.Path(sys.argv[1])); server.start(); "
        "print(server.pid, flush=True); time.sleep(600)"
    )
    run = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / server)], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    child = psutil.Process(int(run.stdout.readline()))
    assert child.is_running()
    run.send_signal(signal.SIGKILL)
    run.communicate()
    child.wait(_PATIENCE_SECONDS)
    assert not child.is_running()


def test_a_program_that_cannot_be_had_is_named_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(install.ServiceMissingError, match="no earshot-no-such-server on PATH"):
        install.program(("earshot-no-such-server",), package="none", advice="Install it.")


def test_a_server_that_ends_at_once_is_reported_with_its_log(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, "--no-such-option", "yes")
    with pytest.raises(RuntimeError, match="no-such-option"):
        server.start()


def test_brokers_log_into_their_own_directory(tmp_path: Path) -> None:
    broker = JvmBroker(tmp_path / "own")
    broker.start()
    try:
        assert (tmp_path / "own" / "broker.log").stat().st_size > 0
    finally:
        broker.stop()
