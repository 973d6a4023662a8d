"""What became of an event -> the records that say so. Pure: topics and time are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import streamer
from streamer import wire
from streamer.records import Message, Outgoing, Task, Verdict

#: Clients and brokers take 1 MB by default, headers included; the rest is for the headers that we add. One record that
#: cannot be published would hold up every partition of its worker.
MOST_MESSAGE_BYTES = 900_000


def size_bytes(message: Message) -> int:
    """Key, value and headers, uncompressed."""
    headers = sum(len(name) + len(value) for name, value in message.headers)
    return len(message.key or b"") + len(message.value or b"") + headers


def is_bulky(message: Message) -> bool:
    """Whether a consumed message is too large to be sent on as it is."""
    return size_bytes(message) > MOST_MESSAGE_BYTES


@dataclass(frozen=True, slots=True)
class Outbox:
    """Addresses of one group: where verdicts, retries and dead letters go."""

    verdict_topic: Callable[[Task], str]
    retry_topic: str
    dead_letter_topic: str

    def verdicts(self, verdicts: Iterable[Verdict]) -> tuple[Outgoing, ...]:
        """One record per task, each in its task's topic."""
        return tuple(wire.verdict_message(verdict, self.verdict_topic(verdict.task)) for verdict in verdicts)

    def dead_letter(self, message: Message, reason: str, error: str) -> tuple[Outgoing, ...]:
        """The message as it came, with headers that say why nobody could judge it; of a bulky one only these."""
        if message.position.topic != self.retry_topic and is_bulky(message):
            message = replace(message, key=None, value=None, headers=())
        letter = wire.dead_letter(
            message,
            reason,
            error,
            attempt=wire.attempt_of(message),
            topic=self.dead_letter_topic,
            version=streamer.__version__,
        )
        return (letter,)

    def retry(self, message: Message, reason: str, *, attempt: int, not_before_ms: int) -> tuple[Outgoing, ...]:
        """The message as it came, bound to be tried as number `attempt` from that time on."""
        return (wire.retry_message(message, self.retry_topic, reason, attempt=attempt, not_before_ms=not_before_ms),)
