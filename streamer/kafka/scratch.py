"""Topics for the length of a measurement, on a broker that is there already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streamer.errors import BrokerError
from streamer.kafka.errors import explain
from streamer.kafka.options import KafkaOptions
from streamer.kafka.topics import apply_topics

_TIMEOUT_SECONDS = 15.0


@contextmanager
def scratch_topics(options: KafkaOptions) -> Iterator[None]:
    """Create every topic of the group, and delete them all in the end: the names must be nobody else's.

    Raises `BrokerError` when nobody answers or the cluster refuses.
    """
    apply_topics(options)
    try:
        yield
    finally:
        admin = AdminClient(options.connection())
        deleted = admin.delete_topics(list(options.all_topics), request_timeout=_TIMEOUT_SECONDS)
        for topic, future in deleted.items():
            try:
                future.result()
            except KafkaException as error:
                raise BrokerError(f"cannot delete topic {topic}: {explain(error)}") from error
