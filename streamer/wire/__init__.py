"""Bytes and headers <-> records: events in, verdicts out. The contract in words is docs/contracts.md.

Written: CloudEvents binary mode. Read: binary and structured mode. Pure and thread-safe. The door to `cloudevents.py`,
`labels.py`, `letters.py` and `outcomes.py` for the rest of the stream.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from streamer.errors import MalformedEventError
from streamer.records import TASKS, Event, Instant, Message, Name, Outgoing, Plain, Rejected, Task, Verdict
from streamer.wire.cloudevents import (
    BinaryHeaders,
    decode_json,
    encode_headers,
    identity,
    malformed,
    open_envelope,
    read_record,
)
from streamer.wire.labels import (
    APPLIED_TYPE,
    REQUESTED_TYPE,
    label_id,
    label_message,
    parse_label,
    parse_request,
    request_id,
    request_message,
)
from streamer.wire.letters import (
    as_new,
    attempt_of,
    dead_letter,
    first_seen_ms_of,
    letter_position,
    not_before_ms_of,
    replay_message,
    retry_message,
    source_of,
)
from streamer.wire.outcomes import OBSERVED_TYPE, outcome_id, outcome_message, parse_outcome

__all__ = [
    "APPLIED_TYPE",
    "EVENT_TYPE",
    "OBSERVED_TYPE",
    "REQUESTED_TYPE",
    "EventData",
    "as_new",
    "attempt_of",
    "dead_letter",
    "event_message",
    "first_seen_ms_of",
    "label_id",
    "label_message",
    "letter_position",
    "not_before_ms_of",
    "outcome_id",
    "outcome_message",
    "parse_event",
    "parse_label",
    "parse_outcome",
    "parse_request",
    "parse_verdict",
    "replay_message",
    "request_id",
    "request_message",
    "retry_message",
    "source_of",
    "verdict_id",
    "verdict_message",
    "verdict_type",
]

EVENT_TYPE = "media.video.uploaded.v1"
VERDICT_SOURCE = "/earshot"

_URI = r"^[A-Za-z][A-Za-z0-9+.-]*:[^\u0000-\u001f\u007f-\u009f]+(?![\s\S])"


class EventData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The data of a `media.video.uploaded.v1` event. Fields that are not named here are ignored."""

    video_id: Annotated[Name, Meta(description="Names the video; the key of its verdicts.")]
    uri: Annotated[
        str,
        Meta(
            max_length=8_192,
            pattern=_URI,
            description="Where the media is: https, s3, gs, az or file. Never its bytes.",
        ),
    ]
    title: Annotated[str, Meta(max_length=10_000)] = ""
    description: Annotated[str, Meta(max_length=100_000)] = ""
    hashtags: Annotated[tuple[Annotated[str, Meta(max_length=256)], ...], Meta(max_length=256)] = ()
    query: Annotated[
        Annotated[str, Meta(max_length=1_000)] | None,
        Meta(description="A search query: asks how relevant the video is to it. A blank one is none."),
    ] = None
    tasks: Annotated[
        Annotated[tuple[Task, ...], Meta(min_length=1, max_length=16)] | None,
        Meta(description="What to judge. Default: clickbait and adult, and relevance when there is a query."),
    ] = None
    tenant: Name | None = None
    locale: Annotated[Plain, Meta(max_length=64)] | None = None
    uploader: Annotated[Name | None, Meta(description="Opaque; an identifier that names nobody.")] = None
    uploaded_at: Annotated[Instant | None, Meta(description="Date and time as of RFC 3339.")] = None
    sha256: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{64}(?![\s\S])")] | None,
        Meta(description="Of the media's bytes; verified when given."),
    ] = None
    size_bytes: Annotated[
        Annotated[int, Meta(ge=0, le=2**53)] | None, Meta(description="Of the media; verified when given.")
    ] = None
    deadline_seconds: Annotated[
        Annotated[float, Meta(gt=0, le=604_800)] | None,
        Meta(description="How long a verdict is of use, from the time of the Kafka record."),
    ] = None


_EVENT_DATA = msgspec.json.Decoder(EventData)
_VERDICT = msgspec.json.Decoder(Verdict)


def parse_event(message: Message) -> Event | Rejected:
    """The event in a message, or why there is none: never raises.

    `Rejected.error` begins with the JSON path or header that is wrong ("$.video_id: missing, ...").
    """
    try:
        return _event(message)
    except MalformedEventError as error:
        return Rejected(message, error.reason, str(error), attempt_of(message))


def event_message(event: Event, topic: str) -> Outgoing:
    """A binary-mode record that `parse_event` reads back as the same event."""
    fields = {name: getattr(event, name) for name in EventData.__struct_fields__}
    headers = BinaryHeaders(
        event_id=event.event_id,
        source=event.source,
        event_type=EVENT_TYPE,
        subject=event.video_id,
        time=event.uploaded_at,
        traceparent=event.traceparent,
    )
    return Outgoing(topic, event.video_id.encode(), msgspec.json.encode(EventData(**fields)), encode_headers(headers))


def verdict_message(verdict: Verdict, topic: str) -> Outgoing:
    """A binary-mode record keyed by the video; its CloudEvents id is the verdict's id, so duplicates can be told."""
    headers = BinaryHeaders(
        event_id=verdict.verdict_id,
        source=VERDICT_SOURCE,
        event_type=verdict_type(verdict.task),
        subject=verdict.video_id,
        time=verdict.decided_at,
        traceparent=verdict.traceparent,
    )
    return Outgoing(topic, verdict.video_id.encode(), msgspec.json.encode(verdict), encode_headers(headers))


def parse_verdict(message: Message) -> Verdict | None:
    """The verdict in a message; None when it holds none, or one of another type. Never raises."""
    return read_record(_VERDICT, message, lambda verdict: verdict_type(verdict.task))


def verdict_type(task: Task) -> str:
    """CloudEvents type of the verdicts of a task."""
    return f"moderation.verdict.{task}.v1"


def verdict_id(event: Event, content_sha256: str | None, bundle_id: str, policy_version: str, task: Task) -> str:
    """64 hex digits that are the same whenever the same event is judged by the same means."""
    parts = (event.source, event.event_id, content_sha256, bundle_id, policy_version, str(task))
    return identity("earshot.verdict.v1", *parts)


def _event(message: Message) -> Event:
    envelope = open_envelope(message)
    if envelope.event_type not in (None, EVENT_TYPE):
        malformed("type", f"came {envelope.event_type[:80]!r}, expected {EVENT_TYPE!r}")
    data = decode_json(_EVENT_DATA, envelope.data, envelope.root)
    query = data.query if data.query is not None and data.query.strip() else None
    fields = {name: getattr(data, name) for name in EventData.__struct_fields__}
    fields |= {
        "query": query,
        "tasks": _tasks(data.tasks, query, envelope.root),
        "sha256": None if data.sha256 is None else data.sha256.lower(),
    }
    return Event(event_id=envelope.event_id, source=envelope.source, traceparent=envelope.traceparent, **fields)


def _tasks(asked: tuple[Task, ...] | None, query: str | None, root: str) -> tuple[Task, ...]:
    """Each task once, in the order of `TASKS`."""
    if asked is None:
        return tuple(task for task in TASKS if task is not Task.RELEVANCE or query is not None)
    if Task.RELEVANCE in asked and query is None:
        malformed(f"{root}.query", "missing, and the task relevance needs one")
    return tuple(task for task in TASKS if task in asked)
