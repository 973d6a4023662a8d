"""`earshot judge`: verdicts on media at hand, without Kafka."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.common import (
    BundleOption,
    ConfigOption,
    EngineOption,
    JsonOption,
    errors_told,
    print_json,
    settings_from,
)

if TYPE_CHECKING:
    from streamer.pipeline import Pipeline
    from streamer.records import Event, Verdict
    from streamer.settings import Settings


def judge(
    media: Annotated[list[str], typer.Argument(metavar="FILE|URI...", help="Files of this machine, or URIs.")],
    title: Annotated[str, typer.Option(help="What the uploader calls the video.")] = "",
    description: Annotated[str, typer.Option(help="What the uploader writes about it.")] = "",
    hashtag: Annotated[list[str] | None, typer.Option(help="May be given more than once.")] = None,
    query: Annotated[str | None, typer.Option(help="Asks for relevance to this search query.")] = None,
    bundle: BundleOption = None,
    engine: EngineOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge media at hand: scores, actions, and the spans that they rest on.

    --json prints each verdict as it is on the wire, and the file it is about; one a line. What cannot be fetched is
    told on stderr, and the command exits 1; what cannot be decoded has a verdict that says so.

    Example: earshot judge holiday.mp4 --title "You won't believe this" --query "surfing"
    """
    from streamer.assemble import open_parts
    from streamer.errors import EarshotError
    from streamer.fetch import redact
    from streamer.records import TASKS, Event, Task

    failed = False
    with errors_told():
        settings = _with_folders_of(
            media, settings_from(config, engine__bundle=bundle, engine__kind=engine, flow__engine_threads=1)
        )
        with open_parts(settings) as parts:
            for item in media:
                event = Event(
                    event_id=str(uuid.uuid4()),
                    source="/earshot/judge",
                    video_id=Path(redact(item)).name,
                    uri=_uri(item),
                    title=title,
                    description=description,
                    hashtags=tuple(hashtag or ()),
                    query=query,
                    tasks=tuple(task for task in TASKS if task is not Task.RELEVANCE or query),
                )
                try:
                    _print(item, event, _judged(parts.pipeline, event, settings.worker.deadline_seconds), as_json)
                except EarshotError as error:
                    failed = True
                    typer.echo(f"earshot: {redact(item)}: {error}", err=True)
    if failed:
        raise typer.Exit(1)


def _uri(item: str) -> str:
    return item if "://" in item else Path(item).resolve().as_uri()


def _with_folders_of(media: Sequence[str], settings: Settings) -> Settings:
    """Settings under which the files that were named may be read; a service reads only under configured roots."""
    folders = {Path(item).resolve().parent for item in media if "://" not in item}
    roots = (*settings.fetch.file_roots, *sorted(folders))
    return settings.model_copy(update={"fetch": settings.fetch.model_copy(update={"file_roots": roots})})


def _judged(pipeline: Pipeline, event: Event, timeout_seconds: float) -> tuple[Verdict, ...]:
    """The verdicts on one event. Raises `EarshotError` when the media cannot be fetched or an engine fails."""
    from streamer.errors import UndecodableError
    from streamer.records import Batch, State

    started = time.monotonic()
    with pipeline.fetch(event, timeout_seconds=timeout_seconds) as content:
        latency_ms = {"fetch": (time.monotonic() - started) * 1000}
        try:
            case = pipeline.perceive(
                event, content, source=None, received_seconds=started, timeout_seconds=timeout_seconds
            )
        except UndecodableError as error:
            reason = f"{error.code}: {error}"
            return pipeline.unseen(
                event,
                State.UNDECODABLE,
                reason,
                content_sha256=content.sha256,
                source=None,
                latency_ms=latency_ms,
            )
    case.latency_ms.update(latency_ms)
    return pipeline.judge(Batch((case,), (0.0,)))[0]


def _print(item: str, event: Event, verdicts: tuple[Verdict, ...], as_json: bool) -> None:
    import msgspec

    from streamer.report.shown import Shown
    from streamer.report.table import answer, console

    if not as_json:
        console().print(answer(Shown(item, event, verdicts)))
        return
    for verdict in verdicts:
        print_json({"file": item, **msgspec.to_builtins(verdict)})
