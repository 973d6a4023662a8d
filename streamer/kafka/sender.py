"""Records to topics from outside the worker: submitted events and replayed dead letters."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import Message as KafkaMessage
from confluent_kafka import Producer

from streamer.errors import BrokerError
from streamer.kafka.options import KafkaOptions
from streamer.records import Outgoing

_FLUSH_SECONDS = 30.0


def send(options: KafkaOptions, outputs: Iterable[Outgoing]) -> int:
    """Send all and wait for every acknowledgement; how many. Raises `BrokerError` when any is missing."""
    producer = Producer(options.producer(None))
    failed: list[str] = []

    def on_delivery(error: object, message: KafkaMessage) -> None:
        if error is not None:
            failed.append(f"{message.topic()}: {error}")

    count = 0
    for output in outputs:
        while True:
            try:
                producer.produce(
                    output.topic,
                    key=output.key,
                    value=output.value,
                    headers=list(output.headers),
                    on_delivery=on_delivery,
                )
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
        count += 1
    left = producer.flush(_FLUSH_SECONDS)
    if failed or left:
        raise BrokerError(f"{left} of {count} records unacknowledged, failed: {failed[:3]}")
    return count
