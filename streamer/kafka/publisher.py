"""Outputs and offsets to Kafka: in one short transaction, or acknowledged first and committed after.

A transaction is opened only when all work is done, so it lives for milliseconds and its timeout has nothing to do with
how long a video takes. After any outcome that is not known the producer is thrown away: the next one, under the same
transactional id, makes the broker decide, and the committed offsets tell what it decided.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from streamer.errors import BrokerError, PublishFailedError
from streamer.kafka.errors import explain, is_fatal, is_retriable
from streamer.kafka.options import Delivery, KafkaOptions
from streamer.kafka.sender import hand_over, send_acknowledged
from streamer.offsets import Partition, Prefix

#: So many producers lost in a row mean that a second process uses the same transactional id.
_MOST_REBUILDS = 5


class Publisher(Protocol):
    """Moves outputs and offsets together, as far as the delivery promises it."""

    def open(self) -> None:
        """Connect. Raises `BrokerError` (fatal)."""
        ...

    def follow(self, consumer: Consumer) -> None:
        """Move the offsets of this consumer from now on: the one before is gone."""
        ...

    def recover(self) -> None:
        """Have the broker decide what was left unknown. Raises `PublishFailedError` or `BrokerError`."""
        ...

    def publish(self, prefix: Prefix) -> None:
        """See `Stream.publish`."""
        ...


def publisher_from_options(options: KafkaOptions, consumer: Consumer, instance: str) -> Publisher:
    """The publisher of the delivery that the options ask for."""
    if options.delivery is Delivery.EXACTLY_ONCE:
        return TransactionalPublisher(options, consumer, f"{options.group}.{instance}")
    return AcknowledgedPublisher(options, consumer)


class TransactionalPublisher:
    """`exactly_once`: a reader of committed records sees each output once, whatever dies and when."""

    def __init__(self, options: KafkaOptions, consumer: Consumer, transactional_id: str) -> None:
        self._options = options
        self._consumer = consumer
        self._transactional_id = transactional_id
        self._producer: Producer | None = None
        self._rebuilds = 0

    def open(self) -> None:
        """Connect, and have the broker finish or abort what a predecessor of the same id left open."""
        self._producer = self._connected()

    def follow(self, consumer: Consumer) -> None:
        """See `Publisher`."""
        self._consumer = consumer

    def recover(self) -> None:
        """A new producer where the last one was given up: its start finishes or aborts what that one left open."""
        if self._producer is not None:
            return
        self._producer = self._connected()
        self._rebuilds += 1  # only where the brokers answer: an outage may last as long as it likes
        if self._rebuilds > _MOST_REBUILDS:
            raise BrokerError(
                f"the producer {self._transactional_id!r} was lost {_MOST_REBUILDS} times in a row: is a second "
                "process running with the same kafka.instance?"
            )

    def publish(self, prefix: Prefix) -> None:
        """One transaction. The time it may take is bounded; what is unknown at the bound is settled by `recover`."""
        deadline = time.monotonic() + self._options.publish_timeout_seconds
        self.recover()
        producer = self._producer
        assert producer is not None
        try:
            producer.begin_transaction()
            hand_over(producer, prefix.outputs, deadline)
            offsets, group = _topic_partitions(prefix.next_offsets), self._membership()
            _until(deadline, lambda seconds: producer.send_offsets_to_transaction(offsets, group, seconds))
            _until(deadline, producer.commit_transaction)
        except (KafkaException, SystemError, PublishFailedError) as error:
            self._give_up(error)
            raise PublishFailedError(f"transaction of {prefix.records} records: {explain(error)}") from error
        self._rebuilds = 0

    def _membership(self) -> object:
        """The group's present generation and our place in it, by which the broker tells a zombie's offsets.

        Without a member id it would take the offsets unseen (KIP-447 keeps that for old clients).
        """
        group = self._consumer.consumer_group_metadata()
        if not self._consumer.memberid():
            raise PublishFailedError("not a member of the group at the moment")
        return group

    def _give_up(self, error: Exception) -> None:
        """Abort where that is possible and certain; drop the producer where it is not."""
        producer, self._producer = self._producer, None
        ours = isinstance(error, PublishFailedError)
        if producer is None or (not ours and (is_fatal(error) or is_retriable(error))):
            return  # retriable here means that time ran out: nobody knows how the transaction ended
        try:
            producer.abort_transaction(self._options.publish_timeout_seconds)
        except (KafkaException, SystemError):
            return
        self._producer = producer

    def _connected(self) -> Producer:
        producer = Producer(self._options.producer(self._transactional_id))
        deadline = time.monotonic() + self._options.publish_timeout_seconds
        try:
            _until(deadline, producer.init_transactions)
        except KafkaException as error:
            if is_retriable(error):
                raise PublishFailedError(f"no transaction coordinator yet: {explain(error)}") from error
            raise BrokerError(f"transactions refused for {self._transactional_id!r}: {explain(error)}") from error
        return producer


class AcknowledgedPublisher:
    """`at_least_once`: outputs are acknowledged before the offsets move; a crash in between repeats the outputs."""

    def __init__(self, options: KafkaOptions, consumer: Consumer) -> None:
        self._options = options
        self._consumer = consumer
        self._producer: Producer | None = None

    def open(self) -> None:
        """A producer; it connects when it first sends."""
        self.recover()

    def follow(self, consumer: Consumer) -> None:
        """See `Publisher`."""
        self._consumer = consumer

    def recover(self) -> None:
        """A new producer where the last one was of no more use; what was not acknowledged is sent again."""
        if self._producer is None:
            self._producer = Producer(self._options.producer(None))

    def publish(self, prefix: Prefix) -> None:
        """Send, wait for every acknowledgement, commit."""
        self.recover()
        assert self._producer is not None
        try:
            deadline = time.monotonic() + self._options.publish_timeout_seconds
            send_acknowledged(self._producer, prefix.outputs, deadline)
            committed = self._consumer.commit(offsets=_topic_partitions(prefix.next_offsets), asynchronous=False)
        except (KafkaException, SystemError) as error:
            if is_fatal(error):
                self._producer = None
            raise PublishFailedError(f"{prefix.records} records: {explain(error)}") from error
        if refused := [item for item in committed if item.error is not None]:
            raise PublishFailedError(f"offsets of {refused[0].topic}: {refused[0].error}")


def _topic_partitions(next_offsets: Mapping[Partition, int]) -> list[TopicPartition]:
    return [TopicPartition(topic, partition, offset) for (topic, partition), offset in next_offsets.items()]


def _until(deadline: float, call: Callable[[float], object]) -> None:
    """Call again while the client says "retriable", which is the only safe answer to it, until the deadline."""
    while True:
        try:
            call(max(0.1, deadline - time.monotonic()))
            return
        except KafkaException as error:
            if not is_retriable(error) or time.monotonic() >= deadline:
                raise
            time.sleep(0.05)
