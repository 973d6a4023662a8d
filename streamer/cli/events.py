"""Events as commands take them: JSON lines, one event's data each, checked as a worker checks them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamer.records import Event, Outgoing


def data_of(name: str) -> Iterator[dict[str, Any]]:
    """Each line that is not blank; "-" reads stdin. Raises `SettingsError` (fatal) naming what is no JSON object."""
    import msgspec

    from streamer.errors import SettingsError

    try:
        lines = sys.stdin.buffer.readlines() if name == "-" else Path(name).read_bytes().splitlines()
    except OSError as error:
        raise SettingsError(f"--events {name}: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield msgspec.json.decode(line, type=dict)
        except msgspec.DecodeError as error:
            raise SettingsError(f"{name}, line {number}: expected a JSON object, {error}") from error


def checked(values: dict[str, Any], topic: str, number: int, *, source: str) -> tuple[Event, Outgoing]:
    """The event as a worker reads it, and its record. Raises `SettingsError` (fatal) naming the event that is wrong."""
    import uuid
    from datetime import UTC, datetime

    import msgspec

    from streamer import wire
    from streamer.errors import SettingsError
    from streamer.records import TASKS, Event, Rejected, Task
    from streamer.testing import message_of

    event_id = str(values.pop("event_id", None) or uuid.uuid4())
    values = {"video_id": event_id, "uploaded_at": datetime.now(UTC).isoformat(), **values}
    if not values.get("tasks"):
        values["tasks"] = [task for task in TASKS if task is not Task.RELEVANCE or values.get("query")]
    try:
        event = msgspec.convert({**values, "event_id": event_id, "source": source}, Event)
        output = wire.event_message(event, topic)
    except (msgspec.ValidationError, ValueError) as error:
        raise SettingsError(f"event {number}: {error}") from error
    parsed = wire.parse_event(message_of(output, 0))
    if isinstance(parsed, Rejected):
        raise SettingsError(f"event {number}: {parsed.error}")
    return event, output
