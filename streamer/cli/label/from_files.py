"""A pool made of media at hand: each is judged here, once, without a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import typer

from streamer.alone import answer_alone
from streamer.assemble import Parts, open_parts
from streamer.cache.redis import CacheOptions
from streamer.cli.at_hand import media_of, readable, uri_of
from streamer.cli.common import progress
from streamer.cli.events import checked, data_of
from streamer.cli.label.common import Wanted
from streamer.cli.label.pooled import Pooled, labels_of
from streamer.errors import EarshotError
from streamer.fetch import redact
from streamer.labels.pool import Known, Left, rows_of
from streamer.labels.pool_file import check_pool_path, write_pool
from streamer.records import Event
from streamer.settings import Settings

_SOURCE = "/earshot/pool"


def events_of(media: Sequence[str], lines: str | None) -> list[Event]:
    """One event for each file, URI, video of a folder, and line; of several about a video the last counts.

    A video without an id is called as it was named. Raises `SettingsError` (fatal) for what is no event.
    """
    data = [{"uri": item} for item in media_of(media)] + list(data_of(lines) if lines else ())
    events = [
        checked(_named(values), _SOURCE, number, source=_SOURCE)[0] for number, values in enumerate(data, start=1)
    ]
    return list({event.video_id: event for event in events}.values())


def _named(values: dict[str, Any]) -> dict[str, Any]:
    """The same with an id, and the address of a path; what is no address is left for the check to refuse."""
    uri = values.get("uri")
    if not isinstance(uri, str) or not uri:
        return {**values, "uri": None}
    return {"video_id": redact(uri), **values, "uri": uri_of(uri)}


def write_from_files(settings: Settings, wanted: Wanted, events: Sequence[Event]) -> Pooled:
    """The pool, written when all are judged. Raises `SettingsError` (fatal) for what cannot be."""
    check_pool_path(wanted.out)
    said, left = labels_of(wanted), Left()
    # What workers remember is none of this pool's, nor the other way round.
    alone = settings.model_copy(update={"cache": CacheOptions(memory_bytes=0)})
    settings = readable(alone, (event.uri for event in events))
    with open_parts(settings) as parts, progress("videos", len(events)) as advance:
        known = _known(parts, events, settings.worker.deadline_seconds, left, advance)
        count = write_pool(wanted.out, rows_of(known, said, views=wanted.views))
    return Pooled(wanted.out, parts.bundle.id, count, left, "none could be read and decoded")


def _known(
    parts: Parts, events: Sequence[Event], timeout_seconds: float, left: Left, advance: Callable[[int], None]
) -> Iterator[Known]:
    for event in events:
        try:
            answer = answer_alone(parts.pipeline, event, timeout_seconds)
        except EarshotError as error:
            typer.echo(f"earshot: {event.video_id}: {error}", err=True)
            answer = None
        advance(1)
        if answer is None or answer.fused is None:
            left.unscored += 1
            continue
        scores = {verdict.task: verdict.score for verdict in answer.verdicts if verdict.score is not None}
        yield Known(event, parts.bundle.id, scores, answer.fused)
