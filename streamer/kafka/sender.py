"""Records to topics: handed to a producer, with or without waiting for every acknowledgement."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from confluent_kafka import Message as KafkaMessage
from confluent_kafka import Producer

from streamer.errors import BrokerError, PublishFailedError
from streamer.kafka.options import KafkaOptions
from streamer.records import Outgoing

#: Longer than the outages that a client rides out on its own.
_SEND_SECONDS = 60.0


def send(options: KafkaOptions, outputs: Iterable[Outgoing]) -> int:
    """Send records from outside the worker; how many. Raises `BrokerError` (fatal) when any is not acknowledged."""
    try:
        return send_acknowledged(Producer(options.producer(None)), outputs, time.monotonic() + _SEND_SECONDS)
    except PublishFailedError as error:
        raise BrokerError(f"not all records reached {options.bootstrap_servers}: {error}") from error


def send_acknowledged(producer: Producer, outputs: Iterable[Outgoing], deadline: float) -> int:
    """Send all and wait for every acknowledgement; how many. Raises `PublishFailedError` when any is missing."""
    failed: list[str] = []

    def on_delivery(error: object, message: KafkaMessage) -> None:
        if error is not None:
            failed.append(f"{message.topic()}: {error}")

    count = hand_over(producer, outputs, deadline, on_delivery)
    unacknowledged = producer.flush(max(0.1, deadline - time.monotonic()))
    if failed or unacknowledged:
        raise PublishFailedError(f"{unacknowledged} of {count} unacknowledged, failed: {failed[:3]}")
    return count


def hand_over(
    producer: Producer,
    outputs: Iterable[Outgoing],
    deadline: float,
    on_delivery: Callable[[object, KafkaMessage], None] | None = None,
) -> int:
    """Hand every record to the client, making room in its queue where it is full; how many."""
    count = 0
    for count, output in enumerate(outputs, start=1):  # noqa: B007 (counts an iterable that is read once)
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
            except BufferError as error:
                if time.monotonic() > deadline:
                    raise PublishFailedError("the producer's queue stays full; is the broker reachable?") from error
                producer.poll(0.1)
    return count
