"""`earshot submit`: emit events, as an upload pipeline would."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamer.cli.common import ConfigOption, JsonOption, errors_told, print_json, settings_from

if TYPE_CHECKING:
    from streamer.records import Event, Outgoing


def submit(
    uris: Annotated[list[str] | None, typer.Argument(help="URIs, or files of this machine.")] = None,
    events: Annotated[
        str | None, typer.Option("--events", help="JSON lines, one event's data each; '-' reads stdin.")
    ] = None,
    title: Annotated[str, typer.Option(help="What the uploader calls the video.")] = "",
    description: Annotated[str, typer.Option()] = "",
    hashtag: Annotated[list[str] | None, typer.Option(help="May be given more than once.")] = None,
    query: Annotated[str | None, typer.Option(help="Asks for relevance to this search query.")] = None,
    deadline_seconds: Annotated[float | None, typer.Option(help="How long a verdict is of use.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Emit one event for each URI or file, or for each line of --events.

    Example: earshot submit holiday.mp4 --title "You won't believe this" --query "surfing"
    """
    from streamer.kafka.sender import send

    with errors_told():
        if bool(uris) == bool(events):
            raise usage_error_for_sources()
        options = settings_from(config).kafka
        common = {
            "title": title,
            "description": description,
            "hashtags": hashtag or [],
            "query": query,
            "deadline_seconds": deadline_seconds,
        }
        data = _from_lines(events) if events else ({"uri": _uri(item), **common} for item in uris or ())
        outputs = [_checked(values, options.topics.uploaded, number) for number, values in enumerate(data, start=1)]
        count = send(options, (output for _, output in outputs))
    for event, _ in outputs:
        if as_json:
            print_json({"event_id": event.event_id, "video_id": event.video_id})
    if not as_json:
        typer.echo(f"submitted {count} events to {options.topics.uploaded}")


def usage_error_for_sources() -> Exception:
    """The error of a call with no events, or with two kinds of them."""
    from streamer.errors import SettingsError

    return SettingsError("submit: expected URIs or files, or --events FILE; one of the two")


def _uri(item: str) -> str:
    return item if "://" in item else Path(item).resolve().as_uri()


def _from_lines(name: str) -> Iterator[dict[str, Any]]:
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


def _checked(values: dict[str, Any], topic: str, number: int) -> tuple[Event, Outgoing]:
    """The event as the worker will read it. Raises `SettingsError` naming the event that is wrong."""
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
        event = msgspec.convert({**values, "event_id": event_id, "source": "/earshot/submit"}, Event)
        output = wire.event_message(event, topic)
    except (msgspec.ValidationError, ValueError) as error:
        raise SettingsError(f"event {number}: {error}") from error
    parsed = wire.parse_event(message_of(output, 0))
    if isinstance(parsed, Rejected):
        raise SettingsError(f"event {number}: {parsed.error}")
    return event, output
