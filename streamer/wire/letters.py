"""Messages that go another way than into a verdict: retries, dead letters, replays.

Key and value are not touched, and neither is a header that others wrote; only what is too large to be sent is cut.
Earshot's own headers have a prefix: `retry.` and `source.` on the retry topic, `dlq.` on a dead letter, `origin.` on
what was replayed. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import msgspec
from msgspec import Meta

from streamer.records import Headers, Message, Outgoing, Position, Source
from streamer.wire.cloudevents import MAX_BESIDE_BYTES, MAX_VALUE_BYTES, beside_bytes

MAX_ERROR_BYTES = 2_048
MAX_LETTER_BYTES = MAX_VALUE_BYTES + MAX_BESIDE_BYTES
CUT_BYTES = 1_024
MAX_ATTEMPT = 1_000_000

_TRANSIENT = ("retry.", "source.", "dlq.")

Digits = Annotated[str, Meta(pattern=r"^[0-9]{1,18}(?![\s\S])")]


class RetryHeaders(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "attempt": "retry.attempt",
        "not_before_ms": "retry.not_before_ms",
        "reason": "retry.reason",
        "topic": "source.topic",
        "partition": "source.partition",
        "offset": "source.offset",
        "timestamp_ms": "source.timestamp_ms",
    },
):
    """What Earshot adds to the headers of an event that waits for another try. All values are UTF-8 text."""

    attempt: Annotated[Digits, Meta(description="Number of the coming try; the first one was 1.")]
    not_before_ms: Annotated[Digits, Meta(description="Unix time in ms before which it is not to be tried.")]
    reason: Annotated[str, Meta(description="Code of what went wrong last.")]
    topic: Annotated[str, Meta(description="Where the event stood when it was first consumed.")]
    partition: Digits
    offset: Digits
    timestamp_ms: Annotated[Digits, Meta(description="Timestamp of the record that was first consumed.")]


class DeadLetterHeaders(msgspec.Struct, frozen=True, kw_only=True, rename=lambda name: f"dlq.{name}"):
    """What Earshot adds to the headers of an event that can never be judged. All values are UTF-8 text."""

    reason: Annotated[str, Meta(description="Stable code of why.")]
    error: Annotated[str, Meta(description="Where and why, for people; at most 2,048 bytes.")]
    topic: Annotated[str, Meta(description="Where the event stood when it was first consumed.")]
    partition: Digits
    offset: Digits
    attempt: Annotated[Digits, Meta(description="How many times it was tried.")]
    first_seen_ms: Annotated[Digits, Meta(description="Timestamp of the record that was first consumed.")]
    service_version: Annotated[str, Meta(description="Version of Earshot that gave up.")]
    cut_bytes: Annotated[
        Digits | None,
        Meta(description="Only where the message was too large to send: its size. Key and value are its first KiB."),
    ] = None


def retry_message(message: Message, topic: str, reason: str, *, attempt: int, not_before_ms: int) -> Outgoing:
    """The message on its way to the retry topic, to be tried as number `attempt` not before that Unix time."""
    ours = RetryHeaders(
        attempt=str(attempt),
        not_before_ms=str(not_before_ms),
        reason=reason,
        timestamp_ms=str(first_seen_ms_of(message)),
        **_position_texts(source_of(message)),
    )
    return _with(message, topic, ours)


def dead_letter(message: Message, reason: str, error: str, *, attempt: int, topic: str, version: str) -> Outgoing:
    """The message on its way to the dead-letter topic, with why it got there and where it stood when consumed."""
    size_bytes = beside_bytes(message) + len(message.value or b"")
    ours = DeadLetterHeaders(
        reason=reason,
        error=_capped(error),
        attempt=str(attempt),
        first_seen_ms=str(first_seen_ms_of(message)),
        service_version=version,
        cut_bytes=str(size_bytes) if size_bytes > MAX_LETTER_BYTES else None,
        **_position_texts(source_of(message)),
    )
    return _with(_cut(message) if ours.cut_bytes else message, topic, ours)


def replay_message(letter: Message) -> Outgoing:
    """A dead letter on its way back to where it came from: an event like any new one, at a new position.

    `origin.*` keeps the very first position, over any number of replays.

    Raises:
        ValueError: the message is no dead letter of Earshot, or not a whole one.
    """
    first = letter_position(letter)
    if first is None:
        raise ValueError(
            f"{letter.position}: no dead letter (came headers {sorted({name for name, _ in letter.headers})}, "
            "expected dlq.topic, dlq.partition and dlq.offset); name the topic that earshot writes dead letters to"
        )
    if letter.header("dlq.cut_bytes") is not None:
        raise ValueError(f"{letter.position}: the event was too large for a letter and is not whole; it is at {first}")
    kept = _without(letter.headers, _TRANSIENT)
    if letter.header("origin.topic") is None:
        origin = _position_texts(first)
        kept += _encoded({f"origin.{name}": text for name, text in origin.items()})
    return Outgoing(first.topic, letter.key, letter.value, kept)


def as_new(message: Message) -> Message:
    """A message without the headers that only Earshot writes to its retry topic: for topics others write to."""
    return replace(message, headers=_without(message.headers, _TRANSIENT))


def source_of(message: Message) -> Source:
    """Where the event stood when it was first consumed."""
    here = _position(message, "source") or message.position
    return Source(topic=here.topic, partition=here.partition, offset=here.offset)


def letter_position(letter: Message) -> Position | None:
    """Where the event of a dead letter stood when it was first consumed; None for what is no dead letter."""
    topic, partition = letter.header("dlq.topic"), _number(letter, "dlq.partition")
    offset = _number(letter, "dlq.offset")
    return Position(topic, partition, offset) if topic and partition is not None and offset is not None else None


def attempt_of(message: Message) -> int:
    """The number of this try: 1 for an event that was never retried."""
    return min(max(_number(message, "retry.attempt") or 1, 1), MAX_ATTEMPT)


def not_before_ms_of(message: Message) -> int:
    """Unix time in milliseconds before which the message is not to be tried; 0 for an event never retried."""
    return _number(message, "retry.not_before_ms") or 0


def first_seen_ms_of(message: Message) -> int:
    """Timestamp in milliseconds of the record that was first consumed; deadlines count from it."""
    first = _number(message, "source.timestamp_ms")
    return message.timestamp_ms if first is None else first


def _cut(message: Message) -> Message:
    """The start of a message that cannot be sent, for people to see what it was."""
    small = tuple((name, value) for name, value in message.headers if name.startswith("ce_"))[:16]
    headers = tuple((name, value[:CUT_BYTES]) for name, value in small if len(name) <= 64)
    key, value = message.key, message.value
    return replace(
        message,
        key=None if key is None else key[:CUT_BYTES],
        value=None if value is None else value[:CUT_BYTES],
        headers=headers,
    )


def _with(message: Message, topic: str, ours: RetryHeaders | DeadLetterHeaders) -> Outgoing:
    headers = _without(message.headers, _TRANSIENT) + _encoded(msgspec.to_builtins(ours))
    return Outgoing(topic, message.key, message.value, headers)


def _position_texts(position: Position | Source) -> dict[str, str]:
    return {"topic": position.topic, "partition": str(position.partition), "offset": str(position.offset)}


def _position(message: Message, prefix: str) -> Position | None:
    topic, partition = message.header(f"{prefix}.topic"), _number(message, f"{prefix}.partition")
    offset = _number(message, f"{prefix}.offset")
    return Position(topic, partition, offset) if topic and partition is not None and offset is not None else None


def _without(headers: Headers, prefixes: tuple[str, ...]) -> Headers:
    return tuple((name, value) for name, value in headers if not name.startswith(prefixes))


def _encoded(headers: dict[str, str | None]) -> Headers:
    return tuple((name, text.encode(errors="replace")) for name, text in headers.items() if text is not None)


def _number(message: Message, name: str) -> int | None:
    """A header that holds a whole number below 2^63; None for anything else."""
    text = message.header(name)
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > 18:
        return None
    return int(text)


def _capped(text: str) -> str:
    data = text.encode(errors="replace")
    return text if len(data) <= MAX_ERROR_BYTES else data[: MAX_ERROR_BYTES - 3].decode(errors="ignore") + "..."
