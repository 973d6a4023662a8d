"""The broker inside librdkafka, for demos and laptops: real clients and a real group, nothing to install.

It lives as long as the block, keeps everything in memory (about 5 MiB a partition, the oldest silently dropped) and
has no transactions: run it with `at_least_once` and the consumer group protocol, as `embedded_options` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Producer

from streamer.kafka.options import Delivery, KafkaOptions, Protocol

_TIMEOUT_SECONDS = 10.0
#: Once it has begun to wait, this broker does not notice records that come: an event would be seen 0.5 s late.
_FETCH_WAIT_SECONDS = 0.02


@contextmanager
def embedded_broker(options: KafkaOptions) -> Iterator[KafkaOptions]:
    """Start the broker with the group's topics on it; the same options, pointed at it."""
    owner = Producer({"test.mock.num.brokers": 1, "log_level": 3})
    brokers = owner.list_topics(timeout=_TIMEOUT_SECONDS).brokers.values()
    servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    for topic in options.all_topics:
        owner.list_topics(topic, timeout=_TIMEOUT_SECONDS)  # a producer's metadata request creates the topic
    yield options.model_copy(
        update={
            "bootstrap_servers": servers,
            "delivery": Delivery.AT_LEAST_ONCE,
            "protocol": Protocol.CONSUMER,
            "fetch_wait_seconds": _FETCH_WAIT_SECONDS,
        }
    )
    owner.purge()
