"""The Kafka room on a real broker: transactions that fail in every way, rebalances, and reading without a group."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from streamer.errors import BrokerError, PublishFailedError, SettingsError
from streamer.kafka import publisher, topics
from streamer.kafka.instance import claimed_instance
from streamer.kafka.options import KafkaOptions
from streamer.kafka.publisher import TransactionalPublisher
from streamer.kafka.reader import committed_offsets, read_topics
from streamer.kafka.sender import send
from streamer.kafka.stream import KafkaStream
from streamer.kafka.topics import apply_topics, plan_topics, require_topics
from streamer.offsets import Partition, Prefix
from streamer.records import Message, Outgoing, Task
from tests.services.kafka import Broker
from tests.stream.cluster import plain_read

pytestmark = pytest.mark.services

PATIENCE_SECONDS = 60.0

protocols = pytest.mark.parametrize("protocol", ["classic", "consumer"])


def options_for(broker: Broker, folder: Path, **changes: Any) -> KafkaOptions:
    """A group of its own, with its topics created unless `topics=False`."""
    name = f"t{uuid.uuid4().hex[:10]}"
    create = changes.pop("topics", True)
    values = {
        "bootstrap_servers": broker.bootstrap,
        "group": name,
        "topics": {"uploaded": f"{name}.in", "verdict": f"{name}.{{task}}", "replication_factor": 1},
        "instance_dir": folder / "instances",
        "session_timeout_seconds": 1.0,
        "publish_timeout_seconds": 5.0,
    }
    options = KafkaOptions(**(values | changes))
    if create:
        apply_topics(options)
    return options


class Member:
    """A stream, its messages, and what it was told of its partitions."""

    def __init__(self, options: KafkaOptions) -> None:
        self.options = options
        self.stream = KafkaStream(options, lambda _: None)
        self.messages: list[Message] = []
        self.revoked: list[Partition] = []
        self.lost: list[Partition] = []
        self.stream.open(self)

    def on_revoked(self, partitions: Collection[Partition]) -> None:
        self.revoked.extend(partitions)

    def on_lost(self, partitions: Collection[Partition]) -> None:
        self.lost.extend(partitions)

    def poll(self) -> None:
        self.messages.extend(self.stream.poll(0.05, 100))

    def close(self) -> None:
        self.stream.close()


def poll_until(what: Callable[[], bool], *members: Member) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < deadline, "took far too long"
        for member in members:
            member.poll()


def poll_some(*members: Member, turns: int = 20) -> None:
    for _ in range(turns):
        for member in members:
            member.poll()


def submit(options: KafkaOptions, count: int) -> None:
    send(options, [Outgoing(options.topics.uploaded, str(n).encode(), str(n).encode(), ()) for n in range(count)])


def answers(options: KafkaOptions, messages: Collection[Message]) -> Prefix:
    """One output for each message, and the offsets behind them."""
    ends: dict[Partition, int] = {}
    for message in messages:
        place = (message.position.topic, message.position.partition)
        ends[place] = max(ends.get(place, 0), message.position.offset + 1)
    topic = options.verdict_topic(Task.ADULT)
    return Prefix(tuple(Outgoing(topic, item.key, item.value, ()) for item in messages), ends, len(messages))


def published(options: KafkaOptions) -> Counter[bytes]:
    """What a plain reader of committed records finds."""
    return Counter(plain_read(options.bootstrap_servers, [options.verdict_topic(Task.ADULT)]))


def once(count: int) -> Counter[bytes]:
    return Counter(str(n).encode() for n in range(count))


@pytest.fixture
def member_of(tmp_path: Path) -> Iterator[Callable[[KafkaOptions], Member]]:
    members: list[Member] = []

    def join(options: KafkaOptions) -> Member:
        members.append(Member(options))
        return members[-1]

    yield join
    for member in members:
        member.close()


@protocols
def test_outputs_and_offsets_leave_together_and_nothing_comes_again(
    kafka_broker: Broker, tmp_path: Path, member_of: Callable[[KafkaOptions], Member], protocol: str
) -> None:
    options = options_for(kafka_broker, tmp_path, protocol=protocol)
    submit(options, 60)
    first = member_of(options)
    poll_until(lambda: len(first.messages) == 60, first)
    for start in range(0, 60, 20):
        first.stream.publish(answers(options, first.messages[start : start + 20]))
    first.close()
    second = member_of(options)
    poll_until(second.stream.assigned, second)
    submit(options, 1)
    poll_until(lambda: bool(second.messages), second)
    assert [message.value for message in second.messages] == [b"0"], "only the new one"
    assert published(options) == once(60)


@protocols
def test_a_member_that_was_given_up_publishes_nothing(
    kafka_broker: Broker, tmp_path: Path, member_of: Callable[[KafkaOptions], Member], protocol: str
) -> None:
    """It does not poll for so long that the group gives its work to another; then it wakes and publishes."""
    options = options_for(kafka_broker, tmp_path, protocol=protocol)
    submit(options, 20)
    hasty = options.model_copy(update={"max_poll_interval_seconds": 2.0})
    zombie = member_of(hasty)
    poll_until(lambda: len(zombie.messages) == 20, zombie)
    other = member_of(options)
    poll_until(lambda: len(other.messages) == 20, other)
    with pytest.raises(PublishFailedError):
        zombie.stream.publish(answers(options, zombie.messages))
    other.stream.publish(answers(options, other.messages))
    with pytest.raises(PublishFailedError):
        zombie.stream.publish(answers(options, zombie.messages))
    assert published(options) == once(20)
    poll_until(lambda: bool(zombie.lost or zombie.revoked), zombie, other)


@protocols
def test_two_members_share_the_events_and_the_retries_evenly(
    kafka_broker: Broker, tmp_path: Path, member_of: Callable[[KafkaOptions], Member], protocol: str
) -> None:
    options = options_for(kafka_broker, tmp_path, protocol=protocol)
    first = member_of(options)
    poll_until(first.stream.assigned, first)
    second = member_of(options)
    topics_of = {options.topics.uploaded: 2, options.retry_topic: 2}
    poll_until(lambda: all(Counter(t for t, _ in m.stream.owned) == topics_of for m in (first, second)), first, second)


@protocols
def test_partitions_come_and_go_with_their_pauses(
    kafka_broker: Broker, tmp_path: Path, member_of: Callable[[KafkaOptions], Member], protocol: str
) -> None:
    options = options_for(kafka_broker, tmp_path, protocol=protocol)
    uploaded, retry = options.topics.uploaded, options.retry_topic
    first = member_of(options)
    poll_until(first.stream.assigned, first)
    first.stream.pause({uploaded, retry})
    submit(options, 40)
    poll_some(first)
    assert first.messages == [], "a paused topic brings nothing"
    second = member_of(options)
    poll_until(lambda: bool(second.messages) and bool(first.revoked), first, second)
    assert first.messages == []
    second.close()
    poll_some(first)
    assert first.messages == [], "what comes back is paused too"
    first.stream.pause(())
    poll_until(lambda: len(first.messages) == 40, first)
    assert Counter(message.value for message in first.messages) == once(40), "nothing was committed, so all comes"


@protocols
def test_a_partition_that_was_paused_when_it_left_flows_when_it_comes_back(
    kafka_broker: Broker, tmp_path: Path, member_of: Callable[[KafkaOptions], Member], protocol: str
) -> None:
    options = options_for(kafka_broker, tmp_path, protocol=protocol)
    first = member_of(options)
    poll_until(lambda: len(first.stream.owned) == 8, first)
    first.stream.pause(options.all_topics)
    second = member_of(options)
    poll_until(lambda: len(first.stream.owned) == len(second.stream.owned) == 4, first, second)
    first.stream.pause(())
    second.close()
    poll_until(lambda: len(first.stream.owned) == 8, first)
    submit(options, 40)
    poll_until(lambda: len(first.messages) == 40, first)


def test_a_new_producer_of_the_same_name_ends_what_a_dead_one_left_open(
    kafka_broker: Broker, tmp_path: Path, member_of: Callable[[KafkaOptions], Member]
) -> None:
    options = options_for(kafka_broker, tmp_path, instance="a")
    submit(options, 5)
    dead = Producer(options.producer(f"{options.group}.a"))
    dead.init_transactions()
    dead.begin_transaction()
    dead.produce(options.verdict_topic(Task.ADULT), b"never")
    dead.flush()
    member = member_of(options)
    poll_until(lambda: len(member.messages) == 5, member)
    member.stream.publish(answers(options, member.messages))
    with pytest.raises(KafkaException):
        dead.commit_transaction()
    assert published(options) == once(5)


def test_a_fenced_producer_is_replaced_and_publishes_once(
    kafka_broker: Broker, tmp_path: Path, member_of: Callable[[KafkaOptions], Member]
) -> None:
    options = options_for(kafka_broker, tmp_path, instance="a")
    submit(options, 5)
    member = member_of(options)
    poll_until(lambda: len(member.messages) == 5, member)
    with closing(Consumer(options.connection() | {"group.id": "another"})) as consumer:
        TransactionalPublisher(options, consumer, f"{options.group}.a").open()
    prefix = answers(options, member.messages)
    with pytest.raises(PublishFailedError, match="FENCED"):
        member.stream.publish(prefix)
    assert member.stream.committed(prefix.next_offsets) == {}
    member.stream.publish(prefix)
    assert member.stream.committed(prefix.next_offsets) == prefix.next_offsets
    assert published(options) == once(5)


def troubled(monkeypatch: pytest.MonkeyPatch, **trouble: Callable[[Producer, Callable[..., Any]], Any]) -> None:
    """The next publication goes through a producer whose named calls are wrapped, each once."""
    left = dict(trouble)

    def wrapped(name: str) -> Callable[..., Any]:
        real = getattr(Producer, name)

        def call(self: Producer, *arguments: Any) -> Any:
            make = left.pop(name, None)
            return real(self, *arguments) if make is None else make(self, lambda: real(self, *arguments))

        return call

    monkeypatch.setattr(publisher, "Producer", type("Troubled", (Producer,), {name: wrapped(name) for name in trouble}))


def no_answer(_: Producer, call: Callable[..., Any]) -> None:
    call()
    raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the answer got lost"))


def refused(_: Producer, call: Callable[..., Any]) -> None:
    raise KafkaException(KafkaError(KafkaError.INVALID_TXN_STATE, "refused", txn_requires_abort=True))


def too_late(_: Producer, call: Callable[..., Any]) -> None:
    time.sleep(4.0)  # longer than the transaction may take
    call()


@pytest.mark.parametrize(
    ("trouble", "happened"),
    [
        ({"commit_transaction": no_answer}, True),
        ({"commit_transaction": too_late}, False),
        ({"commit_transaction": refused}, False),
        ({"send_offsets_to_transaction": refused}, False),
        ({"send_offsets_to_transaction": refused, "abort_transaction": refused}, False),
    ],
)
def test_after_a_transaction_that_failed_the_committed_offsets_tell_the_truth(
    kafka_broker: Broker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    member_of: Callable[[KafkaOptions], Member],
    trouble: dict[str, Any],
    happened: bool,
) -> None:
    options = options_for(kafka_broker, tmp_path, transaction_timeout_seconds=2.0, publish_timeout_seconds=3.0)
    submit(options, 10)
    troubled(monkeypatch, **trouble)
    member = member_of(options)
    poll_until(lambda: len(member.messages) == 10, member)
    prefix = answers(options, member.messages)
    with pytest.raises(PublishFailedError):
        member.stream.publish(prefix)
    committed = member.stream.committed(prefix.next_offsets)
    assert committed == (prefix.next_offsets if happened else {})
    if not happened:
        member.stream.publish(prefix)
    submit(options, 1)
    poll_until(lambda: len(member.messages) == 11, member)
    member.stream.publish(answers(options, member.messages[10:]))
    assert published(options) == once(10) + Counter([b"0"])


@pytest.mark.slow
def test_a_broker_that_dies_in_mid_transaction_leaves_no_trace_of_it(
    own_broker: Callable[[], Broker],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    member_of: Callable[[KafkaOptions], Member],
) -> None:
    broker = own_broker()

    def killed(_: Producer, call: Callable[..., Any]) -> None:
        broker.kill()
        call()

    options = options_for(broker, tmp_path, publish_timeout_seconds=2.0, transaction_timeout_seconds=5.0)
    submit(options, 10)
    troubled(monkeypatch, send_offsets_to_transaction=killed)
    member = member_of(options)
    poll_until(lambda: len(member.messages) == 10, member)
    prefix = answers(options, member.messages)
    for _ in range(2):
        with pytest.raises(PublishFailedError):
            member.stream.publish(prefix)
    broker.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            assert member.stream.committed(prefix.next_offsets) == {}
            member.stream.publish(prefix)
            break
        except PublishFailedError:
            assert time.monotonic() < deadline
            member.poll()
    assert published(options) == once(10)


def test_without_transactions_offsets_follow_acknowledged_outputs(
    kafka_broker: Broker, tmp_path: Path, member_of: Callable[[KafkaOptions], Member]
) -> None:
    options = options_for(kafka_broker, tmp_path, delivery="at_least_once")
    submit(options, 10)
    member = member_of(options)
    poll_until(lambda: len(member.messages) == 10, member)
    prefix = answers(options, member.messages)
    member.stream.publish(prefix)
    assert member.stream.committed(prefix.next_offsets) == prefix.next_offsets
    assert published(options) == once(10)


def test_a_name_for_each_living_worker_and_the_same_one_after_a_kill(kafka_broker: Broker, tmp_path: Path) -> None:
    options = options_for(kafka_broker, tmp_path, topics=False)
    script = (
        "import sys; from pathlib import Path; from streamer.kafka.instance import claimed_instance\n"
        "from streamer.kafka.options import KafkaOptions\n"
        "with claimed_instance(KafkaOptions(group=sys.argv[1], instance_dir=Path(sys.argv[2]))) as name:\n"
        "    print(name, flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, options.group, str(options.instance_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = other.stdout.readline().strip()
        with claimed_instance(options) as ours:
            assert theirs.endswith("-0")
            assert ours == theirs[:-1] + "1"
        other.kill()
    with claimed_instance(options) as again:
        assert again == theirs


def test_topics_are_planned_applied_and_required(kafka_broker: Broker, tmp_path: Path) -> None:
    options = options_for(kafka_broker, tmp_path, topics=False)
    assert {plan.topic for plan in plan_topics(options)} == set(options.all_topics)
    assert not any(plan.exists for plan in plan_topics(options))
    with pytest.raises(SettingsError, match=rf"{options.retry_topic}.*earshot topics apply"):
        require_topics(options)
    assert all(plan.exists and plan.partitions == 4 for plan in apply_topics(options))
    assert all(plan.exists for plan in apply_topics(options)), "a second time changes nothing"
    require_topics(options)


def test_reading_ends_where_transactions_left_their_markers_and_skips_what_they_aborted(
    kafka_broker: Broker, tmp_path: Path
) -> None:
    options = options_for(kafka_broker, tmp_path)
    topic, empty = options.verdict_topic(Task.ADULT), options.verdict_topic(Task.CLICKBAIT)
    producer = Producer(options.producer(f"{options.group}.writer"))
    producer.init_transactions()
    for word in (b"yes", b"no", b"yes", b"no"):
        producer.begin_transaction()
        producer.produce(topic, word, partition=0)
        producer.flush()
        (producer.commit_transaction if word == b"yes" else producer.abort_transaction)()
    found = list(read_topics(options, [topic, empty, "no-such-topic"]))
    assert [message.value for message in found] == [b"yes", b"yes"]
    assert committed_offsets(options, topic) == {}


def test_a_record_that_the_broker_refuses_is_told(kafka_broker: Broker, tmp_path: Path) -> None:
    options = options_for(kafka_broker, tmp_path, client={"topic.metadata.propagation.max.ms": 200})
    with pytest.raises(BrokerError, match="failed"):
        send(options, [Outgoing("no-such-topic", None, b"x", ())])


def test_nobody_there_is_told_with_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "_TIMEOUT_SECONDS", 1.0)
    options = KafkaOptions(bootstrap_servers="127.0.0.1:1", client={"socket.connection.setup.timeout.ms": 1000})
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1"):
        require_topics(options)
