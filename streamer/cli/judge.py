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
    made_folder,
    print_json,
    settings_from,
)

if TYPE_CHECKING:
    from engines.bundle import Bundle
    from streamer.assemble import Parts
    from streamer.records import Clip, Event, Verdict
    from streamer.report.shown import Shown
    from streamer.settings import Settings


def judge(
    media: Annotated[list[str], typer.Argument(metavar="FILE|URI...", help="Files of this machine, or URIs.")],
    title: Annotated[str, typer.Option(help="What the uploader calls the video.")] = "",
    description: Annotated[str, typer.Option(help="What the uploader writes about it.")] = "",
    hashtag: Annotated[list[str] | None, typer.Option(help="May be given more than once.")] = None,
    query: Annotated[str | None, typer.Option(help="Asks for relevance to this search query.")] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="A page that shows what each score rests on, to hand on.")
    ] = None,
    bundle: BundleOption = None,
    engine: EngineOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge media at hand: scores, actions, and the spans that they rest on.

    --json prints each verdict as it is on the wire, and the file it is about; one a line. What cannot be fetched is
    told on stderr, and the command exits 1; what cannot be decoded has a verdict that says so.

    Example: earshot judge holiday.mp4 --title "You won't believe this" --query "surfing" --report holiday.html
    """
    from streamer.assemble import open_parts
    from streamer.fetch import redact
    from streamer.report.timeline import drawn

    started, shown, failed = time.monotonic(), [], False
    with errors_told():
        _writable(report)
        settings = _with_folders_of(
            media, settings_from(config, engine__bundle=bundle, engine__kind=engine, flow__engine_threads=1)
        )
        with open_parts(settings) as parts:
            for item in media:
                event = _event(item, title, description, tuple(hashtag or ()), query)
                one = _shown(parts, redact(item), event, settings.worker.deadline_seconds, look=report is not None)
                _print(one, item, as_json)
                failed |= one.dead_letter is not None
                if report is not None:  # drawn at once, as the clips of many videos would not fit in memory
                    shown.append(drawn(one))
            if report is not None:
                _write_page(report, parts.bundle, shown, time.monotonic() - started, as_json)
    if failed:
        raise typer.Exit(1)


def _event(item: str, title: str, description: str, hashtags: tuple[str, ...], query: str | None) -> Event:
    from streamer.fetch import redact
    from streamer.records import TASKS, Event, Task

    return Event(
        event_id=str(uuid.uuid4()),
        source="/earshot/judge",
        video_id=Path(redact(item)).name,
        uri=_uri(item),
        title=title,
        description=description,
        hashtags=hashtags,
        query=query,
        tasks=tuple(task for task in TASKS if task is not Task.RELEVANCE or query),
    )


def _uri(item: str) -> str:
    return item if "://" in item else Path(item).resolve().as_uri()


def _with_folders_of(media: Sequence[str], settings: Settings) -> Settings:
    """Settings under which the files that were named may be read; a service reads only under configured roots."""
    folders = {Path(item).resolve().parent for item in media if "://" not in item}
    roots = (*settings.fetch.file_roots, *sorted(folders))
    return settings.model_copy(update={"fetch": settings.fetch.model_copy(update={"file_roots": roots})})


def _shown(parts: Parts, name: str, event: Event, timeout_seconds: float, *, look: bool) -> Shown:
    """What came of one file: verdicts and the clip that they rest on, or why there are none.

    look: also where the verdicts are remembered ones, for which nothing has to be decoded.
    """
    from streamer.errors import EarshotError
    from streamer.report.shown import DeadLetter, Shown

    try:
        return Shown(name, event, *_judged(parts, event, timeout_seconds, look=look))
    except EarshotError as error:
        return Shown(name, event, dead_letter=DeadLetter(error.reason, str(error), "not judged"))


def _judged(
    parts: Parts, event: Event, timeout_seconds: float, *, look: bool
) -> tuple[tuple[Verdict, ...], Clip | None]:
    """The verdicts on one event. Raises `EarshotError` when the media cannot be fetched or an engine fails."""
    from streamer.errors import UndecodableError
    from streamer.records import Batch, State

    pipeline, started = parts.pipeline, time.monotonic()
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
            ), None
        clip = case.clip
        if clip is None and look:
            clip = parts.sandbox.decode(content.path, pipeline.seed(content.sha256), timeout_seconds)
    case.latency_ms.update(latency_ms)
    return pipeline.judge(Batch((case,), (0.0,)))[0], clip


def _print(shown: Shown, item: str, as_json: bool) -> None:
    import msgspec

    from streamer.report.table import answer, console

    if shown.dead_letter is not None:
        typer.echo(f"earshot: {shown.file}: {shown.dead_letter.error}", err=True)
    elif as_json:
        for verdict in shown.verdicts:
            print_json({"file": item, **msgspec.to_builtins(verdict)})
    else:
        console().print(answer(shown))


def _writable(report: Path | None) -> None:
    """Raises `SettingsError` (fatal) for a page that has no place, before anything is judged."""
    from streamer.errors import SettingsError

    if report is None:
        return
    made_folder(report.expanduser().parent, "--report")
    if report.expanduser().is_dir():
        raise SettingsError(f"--report {report}: came a folder, expected a file, such as {report / 'verdicts.html'}")


def _write_page(report: Path, bundle: Bundle, shown: Sequence[Shown], wall_seconds: float, as_json: bool) -> None:
    from streamer.report.page import page
    from streamer.report.shown import Part, Summary
    from streamer.report.table import console

    summary = Summary(bundle=f"{bundle.name} {bundle.id[:12]}", wall_seconds=wall_seconds)
    report.expanduser().write_text(page([Part("Media at hand", tuple(shown), summary)]), "utf-8")
    if not as_json:
        console().print(f"page   {report}", soft_wrap=True, highlight=False)
