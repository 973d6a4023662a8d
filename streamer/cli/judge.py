"""`earshot judge`: verdicts on media at hand, without Kafka."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.at_hand import media_of, readable, uri_of
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
    from streamer.records import Event
    from streamer.report.shown import Shown


def judge(
    media: Annotated[
        list[str], typer.Argument(metavar="FILE|FOLDER|URI...", help="Files of this machine, folders of them, or URIs.")
    ],
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
        settings = settings_from(config, engine__bundle=bundle, engine__kind=engine, flow__engine_threads=1)
        items = media_of(media)
        with open_parts(readable(settings, map(uri_of, items))) as parts:
            for item in items:
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
        uri=uri_of(item),
        title=title,
        description=description,
        hashtags=hashtags,
        query=query,
        tasks=tuple(task for task in TASKS if task is not Task.RELEVANCE or query),
    )


def _shown(parts: Parts, name: str, event: Event, timeout_seconds: float, *, look: bool) -> Shown:
    """What came of one file: verdicts and the clip that they rest on, or why there are none.

    look: also where the verdicts are remembered ones, for which nothing has to be decoded.
    """
    from streamer.alone import answer_alone
    from streamer.errors import EarshotError
    from streamer.report.shown import DeadLetter, Shown

    try:
        answer = answer_alone(parts.pipeline, event, timeout_seconds, look=look)
    except EarshotError as error:
        return Shown(name, event, dead_letter=DeadLetter(error.reason, str(error), "not judged"))
    return Shown(name, event, answer.verdicts, answer.clip)


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
    from streamer.labels.files import whole
    from streamer.report.page import page
    from streamer.report.shown import Part, Summary
    from streamer.report.table import console

    summary = Summary(bundle=f"{bundle.name} {bundle.id[:12]}", wall_seconds=wall_seconds)
    with whole(report.expanduser()) as file:
        file.write(page([Part("Media at hand", tuple(shown), summary)]).encode())
    if not as_json:
        console().print(f"page   {report}", soft_wrap=True, highlight=False)
