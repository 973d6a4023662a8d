"""The group's consumer and its publisher as the worker's `Stream`. One thread uses it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from typing import Any, cast

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from streamer.errors import BrokerError, PublishFailedError
from streamer.kafka.errors import explain
from streamer.kafka.instance import claimed_instance
from streamer.kafka.options import KafkaOptions
from streamer.kafka.publisher import Publisher, publisher_from_options
from streamer.kafka.topics import require_topics
from streamer.offsets import Partition, Prefix
from streamer.records import Message, Position
from streamer.stream import Ownership

log = structlog.get_logger()

_COMMITTED_TIMEOUT_SECONDS = 10.0


def message_from_kafka(record: KafkaMessage) -> Message:
    """The client's record as ours, untouched."""
    topic, partition, offset = record.topic(), record.partition(), record.offset()
    assert topic is not None and partition is not None and offset is not None, "only errors come without a position"
    pairs = cast("list[tuple[str, str | bytes | None]]", record.headers() or [])
    headers = tuple((name, _bytes(value)) for name, value in pairs if value is not None)
    position = Position(topic, partition, offset)
    return Message(
        position, _optional_bytes(record.key()), _optional_bytes(record.value()), headers, record.timestamp()[1]
    )


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _optional_bytes(value: str | bytes | None) -> bytes | None:
    return None if value is None else _bytes(value)


class KafkaStream:
    """Polls events and retries, publishes outputs with offsets.

    `on_lag` is told the lag of each partition every few seconds, from the client's own statistics.
    """

    def __init__(self, options: KafkaOptions, on_lag: Callable[[Mapping[Partition, int]], None]) -> None:
        self._options = options
        self._on_lag = on_lag
        self._stack = ExitStack()
        self._paused_topics: frozenset[str] = frozenset()
        self._paused: set[Partition] = set()
        self._owned: set[Partition] = set()
        self._new: set[Partition] = set()
        self._polled: list[Message] = []
        self._assigned = False
        self._cut_off_seconds: float | None = None  # since when there is no share, or no broker to read it from

    def open(self, ownership: Ownership) -> None:
        """See `Stream.open`."""
        require_topics(self._options)
        self._instance = self._stack.enter_context(claimed_instance(self._options))
        self._ownership = ownership
        self._consumer = self._joined()
        self._stack.callback(lambda: self._consumer.close())
        self._publisher: Publisher = publisher_from_options(self._options, self._consumer, self._instance)
        self._publisher.open()

    def poll(self, timeout_seconds: float, max_messages: int) -> list[Message]:
        """See `Stream.poll`. Rebalances, errors and statistics are handled inside."""
        if (since := self._cut_off_seconds) is not None and time.monotonic() - since > self._options.rejoin_seconds:
            self._rejoin()
        self._polled = []
        record = self._next(timeout_seconds)
        while record is not None:
            error = record.error()
            if error is not None:
                self._on_poll_error(error)
            elif _place(record) in self._owned:
                self._polled.append(message_from_kafka(record))
            if len(self._polled) >= max_messages:
                break
            record = self._next(0)
        self._apply_pauses()
        return self._polled

    def pause(self, topics: Collection[str]) -> None:
        """See `Stream.pause`."""
        self._paused_topics = frozenset(topics)
        self._apply_pauses()

    def publish(self, prefix: Prefix) -> None:
        """See `Stream.publish`."""
        self._publisher.publish(prefix)

    def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """See `Stream.committed`. A partition without a commit is left out.

        First the publisher recovers: offsets inside an undecided transaction would not show.
        """
        self._publisher.recover()
        wanted = [TopicPartition(topic, partition) for topic, partition in partitions]
        try:
            found = self._consumer.committed(wanted, timeout=_COMMITTED_TIMEOUT_SECONDS)
        except KafkaException as error:
            raise PublishFailedError(f"cannot read committed offsets: {explain(error)}") from error
        if unknown := [item for item in found if item.error is not None]:
            raise PublishFailedError(f"cannot read committed offsets: {unknown[0].error}")
        return {(item.topic, item.partition): item.offset for item in found if item.offset >= 0}

    def assigned(self) -> bool:
        """See `Stream.assigned`."""
        return self._assigned

    @property
    def owned(self) -> frozenset[Partition]:
        """The partitions that are this member's at the moment."""
        return frozenset(self._owned)

    def close(self) -> None:
        """See `Stream.close`."""
        self._stack.close()

    def _next(self, timeout_seconds: float) -> KafkaMessage | None:
        try:
            return self._consumer.poll(timeout_seconds)
        except KafkaException as error:
            raise BrokerError(f"the consumer cannot go on: {explain(error)}") from error

    def _joined(self) -> Consumer:
        """A client on its way into the group."""
        consumer = Consumer(
            self._options.consumer()
            | {
                "client.id": f"{self._options.group}.{self._instance}",
                "stats_cb": self._on_stats,
                "error_cb": self._on_error,
            }
        )
        consumer.subscribe(
            [self._options.topics.uploaded, self._options.retry_topic],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        log.info("joining", group=self._options.group, instance=self._instance, delivery=self._options.delivery)
        return consumer

    def _rejoin(self) -> None:
        """Join with a new client, where the old one is cut off and does not find back.

        A cluster whose only brokers were frozen says for a moment that it has none. librdkafka 2.16 forgets all
        addresses then, and asks for ever nobody (its issue 5301): it stays without a share, or keeps its share by
        the connection to the coordinator and has no broker to read it from. It goes with its last reference.
        """
        log.warning("rejoining", cut_off_for_seconds=self._options.rejoin_seconds)
        self._give_back(self._owned)
        self._consumer = self._joined()
        self._publisher.follow(self._consumer)

    def _apply_pauses(self) -> None:
        """A partition that is new here is told in any case: the client remembers a pause from when it was here last."""
        wanted = {partition for partition in self._owned if partition[0] in self._paused_topics}
        if stopping := (wanted - self._paused) | (wanted & self._new):
            self._consumer.pause([TopicPartition(*partition) for partition in stopping])
        if going_on := ((self._paused | self._new) - wanted) & self._owned:
            self._consumer.resume([TopicPartition(*partition) for partition in going_on])
        self._paused = wanted
        self._new = set()

    def _on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._cut_off_seconds = None
        self._assigned = True
        self._new |= _pairs(partitions)
        self._owned |= _pairs(partitions)
        log.info("assigned", partitions=len(partitions), owned=len(self._owned))

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        leaving = _pairs(partitions)
        self._ownership.on_revoked(leaving)
        self._forget(leaving)

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._give_back(_pairs(partitions))

    def _give_back(self, gone: set[Partition]) -> None:
        """Whoever has these partitions next does their work again; from now on it counts how long there is no share."""
        self._cut_off_seconds = time.monotonic()
        self._ownership.on_lost(gone)
        self._forget(gone)

    def _forget(self, partitions: set[Partition]) -> None:
        """Records polled just before go too: should the partition come back at once, it starts before them."""
        self._polled = [message for message in self._polled if _partition(message) not in partitions]
        self._owned -= partitions
        self._assigned = bool(self._owned)
        self._paused -= partitions
        self._new -= partitions
        log.info("unassigned", partitions=len(partitions), owned=len(self._owned))

    def _on_poll_error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() == KafkaError._FATAL:
            raise BrokerError(f"the consumer cannot go on: {error.name()}: {error.str()}")
        log.warning("consumer_error", error=error.name())

    def _on_error(self, error: KafkaError) -> None:
        log.warning("client_error", error=error.name(), fatal=error.fatal())

    def _on_stats(self, text: str) -> None:
        statistics = json.loads(text)
        if self._owned:  # without a share it counts from when the last one was lost
            connected = _reaches_a_broker(statistics) or self._paused == self._owned
            self._cut_off_seconds = None if connected else self._cut_off_seconds or time.monotonic()
        lags = {
            (topic, int(partition)): values["consumer_lag"]
            for topic, entry in statistics.get("topics", {}).items()
            for partition, values in entry["partitions"].items()
            if values.get("consumer_lag", -1) >= 0
        }
        self._on_lag(lags)


def _reaches_a_broker(statistics: Mapping[str, Any]) -> bool:
    """Whether a broker that may hold partitions is connected; the coordinator's own connection does not count."""
    brokers = statistics.get("brokers", {}).values()
    return any(broker["state"] == "UP" and broker["source"] != "logical" for broker in brokers)


def _partition(message: Message) -> Partition:
    return message.position.topic, message.position.partition


def _place(record: KafkaMessage) -> tuple[str | None, int | None]:
    return record.topic(), record.partition()


def _pairs(partitions: Collection[TopicPartition]) -> set[Partition]:
    return {(item.topic, item.partition) for item in partitions}
