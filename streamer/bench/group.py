"""A consumer group of its own to measure, and what goes in and comes out of it: real clients, a real group."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import msgspec

from streamer import wire
from streamer.bench.child import Child, Orders, child
from streamer.bench.member import Reading
from streamer.bench.plan import Plan
from streamer.errors import BrokerError
from streamer.kafka.embedded import embedded_broker
from streamer.kafka.options import KafkaOptions, TopicOptions
from streamer.kafka.reader import follow_topics
from streamer.kafka.scratch import scratch_topics
from streamer.kafka.sender import send
from streamer.kafka.topics import plan_topics
from streamer.records import TASKS, Event, Message

_PATIENCE_SECONDS = 180.0


class Group:
    """Topics that nobody else uses. Events go in by `send`; what comes out is counted by `wait_for`."""

    def __init__(self, kafka: KafkaOptions, records: Iterator[Message | None]) -> None:
        self.kafka = kafka
        self._records = records
        self._children: list[Child] = []

    def send(self, events: Sequence[Event]) -> None:
        """Emit events, as an upload pipeline would."""
        send(self.kafka, [wire.event_message(event, self.kafka.topics.uploaded) for event in events])

    def wait_for(self, records: int) -> list[Message]:
        """The next verdicts and dead letters. Raises `BrokerError` (fatal) when they do not come."""
        taken: list[Message] = []
        patience = time.monotonic() + _PATIENCE_SECONDS
        while len(taken) < records:
            record = next(self._records)
            if record is not None:
                taken.append(record)
                continue
            for member in self._children:
                member.check()
            if time.monotonic() > patience:
                raise BrokerError(f"{len(taken)} of {records} verdicts came within {_PATIENCE_SECONDS:.0f} s")
        return taken

    def judged(self, events: Sequence[Event]) -> tuple[float, list[Message]]:
        """Wall time until the last verdict is out, from when Kafka has all events, and the verdicts."""
        self.send(events)
        begun = time.perf_counter()
        verdicts = self.wait_for(sum(len(event.tasks) for event in events))
        return time.perf_counter() - begun, verdicts

    def seconds(self, events: Sequence[Event]) -> float:
        """The wall time alone."""
        return self.judged(events)[0]

    @contextmanager
    def member(self, plan: Plan, **overrides: Any) -> Iterator[Child]:
        """A worker of this group in a process of its own; it has joined when the block begins."""
        with self.consumer("streamer.bench.member", plan, **overrides) as process:
            yield process

    @contextmanager
    def consumer(self, module: str, plan: Plan, **overrides: Any) -> Iterator[Child]:
        """Any consumer of this group, told where it is and what the plan says."""
        kafka = {f"kafka.{name}": value for name, value in _plain(self.kafka).items()}
        config = str(plan.config) if plan.config else None
        with child(module, Orders(config=config, overrides=plan.overrides(**overrides) | kafka)) as process:
            self._children.append(process)
            try:
                yield process
            finally:
                self._children.remove(process)


@contextmanager
def open_group(plan: Plan, name: str) -> Iterator[Group]:
    """A group with empty topics: on the user's brokers when settings name some that answer, else embedded."""
    token = secrets.token_hex(4)
    topics = TopicOptions(uploaded=f"bench.{token}.uploaded", verdict=f"bench.{token}.verdict.{{task}}")
    options = plan.settings().kafka.model_copy(update={"group": f"earshot.bench.{name}.{token}", "topics": topics})
    with ExitStack() as stack:
        if answers(plan):
            stack.enter_context(scratch_topics(options))
        else:
            options = stack.enter_context(embedded_broker(options))
        outputs = [*map(options.verdict_topic, TASKS), options.dead_letter_topic]
        records = stack.enter_context(closing(follow_topics(options, outputs)))
        yield Group(options, records)


def answers(plan: Plan) -> bool:
    """Whether the settings name a Kafka, and it is there."""
    if not plan.names_broker:
        return False
    try:
        plan_topics(plan.settings().kafka)
    except BrokerError as error:
        plan.say(f"measuring on the embedded broker: {error}")
        return False
    return True


def reading(member: Child) -> Reading:
    """What the member's instruments say."""
    return msgspec.convert(member.ask("reading"), Reading)


def _plain(kafka: KafkaOptions) -> dict[str, Any]:
    """What differs from the user's own settings; secrets stay where the child finds them by itself."""
    return kafka.model_dump(
        mode="json", include={"bootstrap_servers", "group", "delivery", "protocol", "topics", "fetch_wait_seconds"}
    )
