"""Topics read outside the group: from the beginning to what is there now, or on and on. Commits nothing."""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import closing

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from streamer.errors import BrokerError
from streamer.kafka.errors import explain, is_retriable
from streamer.kafka.options import KafkaOptions
from streamer.kafka.stream import message_from_kafka
from streamer.offsets import Partition
from streamer.records import Message, Position

_TIMEOUT_SECONDS = 15.0
_ANSWER_SECONDS = 5.0
_PATIENCE_SECONDS = 60.0
_AGAIN_SECONDS = 0.2


def read_topics(options: KafkaOptions, topics: Collection[str], *, since_ms: int | None = None) -> Iterator[Message]:
    """Every committed record of the topics up to their end of now. Topics that do not exist are empty.

    The end is looked up before the first record is read: what comes meanwhile is left out, or a busy topic would never
    end. since_ms: Unix time; records before it are left out, as far as the brokers can tell by their timestamps.
    """
    with closing(_consumer(options)) as consumer:
        partitions = _starts(consumer, topics, since_ms)
        spans = {(item.topic, item.partition): _span(consumer, item) for item in partitions}
        waiting = {place for place, (start, end) in spans.items() if start < end}
        consumer.assign([item for item in partitions if (item.topic, item.partition) in waiting])
        for message in _to_the_end(options, consumer, waiting):
            place, offset = (message.position.topic, message.position.partition), message.position.offset
            _, end = spans[place]
            if offset < end:
                yield message
            if offset >= end - 1:
                waiting.discard(place)
                consumer.pause([TopicPartition(*place)])


def count_offsets(options: KafkaOptions, topics: Collection[str], *, since_ms: int | None = None) -> int:
    """How many offsets `read_topics` would go through; some hold no record that is to be seen."""
    with closing(_consumer(options)) as consumer:
        spans = [_span(consumer, item) for item in _starts(consumer, topics, since_ms)]
        return sum(end - start for start, end in spans)


def read_positions(options: KafkaOptions, positions: Collection[Position]) -> Iterator[Message]:
    """The records at these positions, those that are still there, in the order of each partition."""
    wanted = set(positions)
    if not wanted:
        return
    firsts: dict[Partition, int] = {}
    lasts: dict[Partition, int] = {}
    for topic, partition, offset in ((item.topic, item.partition, item.offset) for item in wanted):
        place = topic, partition
        firsts[place] = min(firsts.get(place, offset), offset)
        lasts[place] = max(lasts.get(place, offset), offset)
    with closing(_consumer(options)) as consumer:
        there = {(item.topic, item.partition) for item in _partitions(consumer, {topic for topic, _ in firsts})}
        consumer.assign([TopicPartition(*place, first) for place, first in firsts.items() if place in there])
        waiting = there & firsts.keys()
        for message in _to_the_end(options, consumer, waiting):
            if message.position in wanted:
                yield message
            place = message.position.topic, message.position.partition
            if message.position.offset >= lasts[place]:
                waiting.discard(place)
                consumer.pause([TopicPartition(*place)])


def _starts(consumer: Consumer, topics: Collection[str], since_ms: int | None) -> list[TopicPartition]:
    """Every partition with the offset to begin at: `OFFSET_END` where nothing is as young as that."""
    partitions = _partitions(consumer, topics)
    for item in partitions:
        item.offset = OFFSET_BEGINNING if since_ms is None else since_ms
    if since_ms is None or not partitions:
        return partitions
    found: list[TopicPartition] = consumer.offsets_for_times(partitions, timeout=_TIMEOUT_SECONDS)
    return found


def _span(consumer: Consumer, start: TopicPartition) -> tuple[int, int]:
    """The first offset from there on, and the one behind the last of now."""
    try:
        low, high = consumer.get_watermark_offsets(start, timeout=_TIMEOUT_SECONDS)
    except KafkaException as error:
        raise BrokerError(f"no answer from Kafka on {start.topic}: {explain(error)}") from error
    return (high if start.offset == OFFSET_END else max(low, start.offset)), high


def _to_the_end(options: KafkaOptions, consumer: Consumer, waiting: set[Partition]) -> Iterator[Message]:
    """Records of what is assigned, until every partition of `waiting` has come to its end or was taken out."""
    while waiting:
        record = consumer.poll(_TIMEOUT_SECONDS)
        if record is None:
            raise BrokerError(f"no answer from Kafka at {options.bootstrap_servers} for {_TIMEOUT_SECONDS:.0f} s")
        error = record.error()
        if error is None:
            yield message_from_kafka(record)
        elif error.code() == KafkaError._PARTITION_EOF:
            waiting.discard((record.topic(), record.partition()))
        elif error.fatal():
            raise BrokerError(f"cannot read {record.topic()}: {error.str()}")


def follow_topics(
    options: KafkaOptions, topics: Collection[str], *, since_ms: int | None = None
) -> Generator[Message | None, None, None]:
    """As `read_topics`, and then records as they come, without end; None about once a second when nothing came."""
    with closing(_consumer(options)) as consumer:
        consumer.assign(_starts(consumer, topics, since_ms))
        while True:
            record = consumer.poll(1.0)
            error = record.error() if record is not None else None
            if record is None:
                yield None
            elif error is None:
                yield message_from_kafka(record)
            elif error.fatal():
                raise BrokerError(f"cannot read {', '.join(topics)}: {error.str()}")


def committed_offsets(options: KafkaOptions, topic: str) -> Mapping[Partition, int]:
    """The group's next offset to read of each partition; a partition that was never committed is left out.

    Asks again, each time as a new client, while the coordinator is on the move, as after an outage of its broker: an
    old client may ask for it without end (librdkafka 2.16).
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            found = _committed(options, topic)
            break
        except KafkaException as error:
            if not is_retriable(error) or time.monotonic() >= deadline:
                raise BrokerError(f"cannot read offsets of group {options.group}: {explain(error)}") from error
            time.sleep(_AGAIN_SECONDS)
    if unknown := [item for item in found if item.error is not None]:
        raise BrokerError(f"cannot read offsets of group {options.group}: {unknown[0].error}")
    return {(item.topic, item.partition): item.offset for item in found if item.offset >= 0}


def _committed(options: KafkaOptions, topic: str) -> list[TopicPartition]:
    with closing(_consumer(options)) as consumer:
        partitions = _partitions(consumer, [topic])
        return consumer.committed(partitions, timeout=_ANSWER_SECONDS) if partitions else []


def _consumer(options: KafkaOptions) -> Consumer:
    return Consumer(
        options.connection()
        | {
            "group.id": options.group,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",  # where the wanted offset is gone, the first that is there
            "isolation.level": "read_committed",
            "allow.auto.create.topics": False,
            "fetch.wait.max.ms": options.fetch_wait_ms,
        }
    )


def _partitions(consumer: Consumer, topics: Collection[str]) -> list[TopicPartition]:
    try:
        listed = consumer.list_topics(timeout=_TIMEOUT_SECONDS).topics
    except KafkaException as error:
        raise BrokerError(f"no answer from Kafka: {explain(error)}") from error
    return [
        TopicPartition(topic, partition)
        for topic in topics
        if topic in listed and listed[topic].error is None
        for partition in listed[topic].partitions
    ]
