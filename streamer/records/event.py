"""An upload to be judged, and a message that can never be."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from streamer.records.messages import Message
from streamer.records.terms import Task


class Event(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """An upload to be judged: the CloudEvents attributes that matter, and the data of the event.

    `event_id` and `source` are CloudEvents `id` and `source`; together they name the event.
    """

    event_id: str
    source: str
    video_id: str
    uri: str
    title: str = ""
    description: str = ""
    hashtags: tuple[str, ...] = ()
    query: str | None = None
    tasks: tuple[Task, ...] = (Task.CLICKBAIT, Task.ADULT)
    tenant: str | None = None
    locale: str | None = None
    uploader: str | None = None
    uploaded_at: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    deadline_seconds: float | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that can never be judged: the error as a value, bound for the dead-letter topic."""

    message: Message
    reason: str
    error: str
    attempt: int = 1


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where the event stood when it was first consumed; survives the retry topic."""

    topic: str
    partition: int
    offset: int
