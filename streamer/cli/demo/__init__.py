"""`earshot demo`: the whole way of a video, with nothing to install and nothing to set up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.common import CLIPS_FOLDER, JsonOption, errors_told, made_folder, print_json, settings_from

if TYPE_CHECKING:
    from streamer.report.shown import Shown, Summary
    from streamer.settings import Settings

#: The fewest clips that show a silent video, one without a picture and one that stands upright.
_FEWEST_CLIPS = 3


def demo(
    clips: Annotated[int, typer.Option(min=_FEWEST_CLIPS, max=1000, help="How many clips to render and judge.")] = 12,
    report: Annotated[Path, typer.Option(metavar="FILE.html", help="Where the page goes.")] = Path("out/demo.html"),
    work: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where rendered clips are kept. [default: ~/.cache/earshot]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge clips of known truth with the worker of production, on a broker that needs no installation.

    Renders clips of a procedural world, adds files that are broken, missing or no video at all, emits one event each,
    and shows verdicts beside the truth: as a table, as the audit of the topics, and as a page to look at. Exits 1
    when anything is lost or duplicated.
    """
    from streamer.report.page import page
    from streamer.report.words import balanced

    with errors_told():
        made_folder(report.parent, "--report")
        folder = made_folder(work or CLIPS_FOLDER, "--work")
        shown, summary = _perform(folder, clips)
        report.write_text(page(shown, summary), "utf-8")
    if as_json:
        print_json(_document(shown, summary, report))
    else:
        _print(shown, summary, report)
    if summary.audit is None or not balanced(summary.audit):
        raise typer.Exit(1)


def _perform(folder: Path, clips: int) -> tuple[list[Shown], Summary]:
    with _progress() as step:
        from streamer.cli.demo.clips import prepare_uploads
        from streamer.cli.demo.run import run_demo

        uploads = prepare_uploads(folder, clips=clips, on_clip=step("rendering clips", clips))
        return run_demo(_settings(folder), uploads, step("judging", len(uploads)))


def _settings(folder: Path) -> Settings:
    """Settings of production, but for what a demo must not touch: no port, no Redis, no file but its own."""
    from streamer.admin import AdminOptions
    from streamer.cache.redis import CacheOptions
    from streamer.fetch import FetchOptions

    own = {
        "admin": AdminOptions(port=None),
        "cache": CacheOptions(),
        "fetch": FetchOptions(file_roots=(folder,)),
    }
    return settings_from(None, engine__bundle="world", log__level="error").model_copy(update=own)


@contextmanager
def _progress() -> Iterator[Callable[[str, int], Callable[[], None]]]:
    """Bars on stderr: `step(name, total)` begins one and gives the function that moves it on."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from streamer.report.table import console

    columns = (TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True)) as progress:

        def step(name: str, total: int) -> Callable[[], None]:
            bar = progress.add_task(name, total=total)
            return lambda: progress.advance(bar)

        yield step


def _print(shown: Sequence[Shown], summary: Summary, report: Path) -> None:
    from streamer.report.table import audit_line, console, reupload_line, run_table

    terminal = console()
    terminal.print(run_table(shown))
    if summary.audit is not None:
        terminal.print(audit_line(summary.audit), soft_wrap=True)
    if summary.reupload is not None:
        terminal.print(reupload_line(summary.reupload), soft_wrap=True)
    terminal.print(f"page   {report}", soft_wrap=True)


def _document(shown: Sequence[Shown], summary: Summary, report: Path) -> dict[str, object]:
    videos = [
        {
            "file": item.file,
            "truth": item.truth and {"text": item.truth.text, "labels": item.truth.labels},
            "verdicts": item.verdicts,
            "dead_letter": item.dead_letter,
        }
        for item in shown
    ]
    return {
        "videos": videos,
        "audit": summary.audit,
        "reupload": summary.reupload,
        "bundle": summary.bundle,
        "wall_seconds": summary.wall_seconds,
        "report": str(report),
    }
