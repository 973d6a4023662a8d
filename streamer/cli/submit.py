"""`earshot submit`: emit events, as an upload pipeline would."""

from __future__ import annotations

from typing import Annotated

import typer

from streamer.cli.at_hand import uri_of
from streamer.cli.common import ConfigOption, JsonOption, errors_told, print_json, settings_from
from streamer.cli.events import checked, data_of


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
        data = data_of(events) if events else ({"uri": uri_of(item), **common} for item in uris or ())
        outputs = [
            checked(values, options.topics.uploaded, number, source="/earshot/submit")
            for number, values in enumerate(data, start=1)
        ]
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
