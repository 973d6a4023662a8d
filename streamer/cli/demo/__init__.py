"""`earshot demo`: the whole way of a video, with nothing to install and nothing to set up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.common import CLIPS_FOLDER, JsonOption, errors_told, made_folder, print_json, settings_from

if TYPE_CHECKING:
    from streamer.report.shown import Part, Shown
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

    First sample clips of real photos, sounds and titles, by the starter bundle; then clips of a procedural world, by
    the world bundle, with files that are broken, missing or no video at all. Emits one event each, and shows verdicts
    beside the truth: as tables, as the audit of the topics, and as a page to look at. Exits 1 when anything is lost or
    duplicated.
    """
    from streamer.report.page import page
    from streamer.report.words import balanced

    with errors_told():
        made_folder(report.parent, "--report")
        folder = made_folder(work or CLIPS_FOLDER, "--work")
        parts = _perform(folder, clips)
        report.write_text(page(parts), "utf-8")
    if as_json:
        print_json({"parts": [_document(part) for part in parts], "report": str(report)})
    else:
        _print(parts, report)
    if not all(part.summary.audit is not None and balanced(part.summary.audit) for part in parts):
        raise typer.Exit(1)


def _perform(folder: Path, clips: int) -> list[Part]:
    with _progress() as step:
        from streamer.cli.demo.clips import prepare_uploads
        from streamer.cli.demo.run import run_demo
        from streamer.cli.demo.samples import sample_uploads

        samples = sample_uploads(folder / "samples")
        rendered = prepare_uploads(folder, clips=clips, on_clip=step("rendering clips", clips))
        acts = (("starter", "Real photos, sounds and titles", samples), ("world", "A procedural world", rendered))
        return [
            run_demo(_settings(folder, bundle), heading, uploads, step(f"judging: {bundle}", len(uploads)))
            for bundle, heading, uploads in acts
        ]


def _settings(folder: Path, bundle: str) -> Settings:
    """Settings of production, but for what a demo must not touch: no port, no Redis, no file but its own."""
    from streamer.admin import AdminOptions
    from streamer.cache.redis import CacheOptions
    from streamer.fetch import FetchOptions

    own = {
        "admin": AdminOptions(port=None),
        "cache": CacheOptions(),
        "fetch": FetchOptions(file_roots=(folder,)),
    }
    return settings_from(None, engine__bundle=bundle, log__level="error").model_copy(update=own)


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


def _print(parts: Sequence[Part], report: Path) -> None:
    from streamer.report.table import audit_line, console, reupload_line, run_table

    terminal = console()
    for part in parts:
        terminal.print(f"{part.heading}, judged by bundle {part.summary.bundle}", style="bold", highlight=False)
        terminal.print(run_table(part.shown))
        if part.summary.audit is not None:
            terminal.print(audit_line(part.summary.audit), soft_wrap=True)
        if part.summary.reupload is not None:
            terminal.print(reupload_line(part.summary.reupload), soft_wrap=True)
        terminal.print()
    terminal.print(f"page   {report}", soft_wrap=True)


def _document(part: Part) -> dict[str, object]:
    videos = [_video(item) for item in part.shown]
    summary = part.summary
    return {
        "bundle": summary.bundle,
        "videos": videos,
        "audit": summary.audit,
        "reupload": summary.reupload,
        "wall_seconds": summary.wall_seconds,
    }


def _video(item: Shown) -> dict[str, object]:
    letter = item.dead_letter
    return {
        "file": item.file,
        "truth": item.truth and {"text": item.truth.text, "labels": item.truth.labels},
        "verdicts": item.verdicts,
        "dead_letter": letter and {"reason": letter.reason, "error": letter.error},
    }
