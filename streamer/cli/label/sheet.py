"""`earshot label sheet | export`: requests put before people."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.common import ConfigOption, JsonOption, errors_told, print_json, progress, settings_from
from streamer.cli.label.common import PoolOption, RequestsArgument, requests_of

if TYPE_CHECKING:
    from streamer.records import Clip, LabelRequest
    from streamer.report.sheet import Asked
    from streamer.sandbox.host import Sandbox
    from streamer.settings import Settings

#: What is shown of a video: enough to tell what it is, and a hundred of them in one page that opens.
_FRAMES, _FRAME_PIXELS, _WINDOWS = 6, 160, 12
#: A video on the sheet may take so long to decode; without it the others still are shown.
_DECODE_SECONDS = 30.0


class Format(StrEnum):
    """Tools that requests can be exported to."""

    LABEL_STUDIO = "label-studio"


def export(
    requests: RequestsArgument,
    out: Annotated[Path, typer.Option("--out", help="The tasks; the labelling interface goes beside, ending in .xml.")],
    form: Annotated[Format, typer.Option("--format", help="For which tool.")] = Format.LABEL_STUDIO,
    pool: PoolOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write requests as tasks to import into a labelling tool, and the interface that shows them.

    Label Studio: create a project, paste the .xml under Labeling Interface > Code, import the tasks. Its JSON and
    JSON-MIN exports come back by: earshot label import export.json --requests requests.jsonl
    """
    import msgspec

    from streamer.labels.files import write_lines
    from streamer.labels.label_studio import interface, task_of

    with errors_told():
        asked = requests_of(requests, pool)
        beside = out.with_suffix(".xml")
        write_lines(out, [msgspec.json.encode([task_of(item) for item in asked])])
        write_lines(beside, [interface().strip().encode()])
    if as_json:
        print_json({"format": form, "tasks": len(asked), "out": str(out), "interface": str(beside)})
    else:
        typer.echo(f"{len(asked)} tasks in {out}, the labelling interface in {beside}")


def sheet(
    requests: RequestsArgument,
    out: Annotated[Path, typer.Option("--out", help="The page, to be opened in a browser.")],
    videos: Annotated[
        list[Path] | None,
        typer.Option(
            "--videos", help="Folder with the videos, named by their ids or as in their uri; may be repeated."
        ),
    ] = None,
    pool: PoolOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a page that asks a person about each video: frames, sound, buttons and keys. Works without a network.

    Frames and sound are there for videos below --videos and fetch.file_roots, decoded in the sandbox. Answers stay in
    the browser until they are saved, and come back by: earshot label import answers.jsonl --requests requests.jsonl

    Example: earshot label sheet requests.jsonl --pool pool.jsonl --videos /srv/uploads --out sheet.html
    """
    from streamer.labels.at_hand import files_at_hand
    from streamer.labels.files import write_lines
    from streamer.report.sheet import sheet as page

    with errors_told():
        settings = settings_from(config, log__level="error")
        asked = requests_of(requests, pool)
        items = _asked(asked, files_at_hand([*(videos or ()), *settings.fetch.file_roots]), settings)
        write_lines(out, [page(items).encode("utf-8")])
    pictured = sum(item.pictured for item in items)
    if as_json:
        print_json({"out": str(out), "requests": len(items), "pictured": pictured})
    else:
        typer.echo(f"{len(items)} questions in {out}, {pictured} with frames and sound")


def _asked(requests: Sequence[LabelRequest], files: Mapping[str, Path], settings: Settings) -> list[Asked]:
    """The requests, drawn in their order; one child for each core at a time."""
    from streamer.labels.at_hand import file_of
    from streamer.report.sheet import asked
    from streamer.sample import ClipShape
    from streamer.sandbox.host import Sandbox

    shape = ClipShape(frame_pixels=_FRAME_PIXELS, max_frames=_FRAMES, max_windows=_WINDOWS, most_frames=_FRAMES)
    with (
        Sandbox(settings.sandbox, settings.decode, shape) as sandbox,
        ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as threads,
        progress("sheet", len(requests)) as advance,
    ):

        def drawn(request: LabelRequest) -> Asked:
            file = file_of(request, files)
            return asked(request, _clip(sandbox, file) if file is not None else None, file)

        items = []
        for item in threads.map(drawn, requests):
            items.append(item)
            advance(1)
        return items


def _clip(sandbox: Sandbox, file: Path) -> Clip | None:
    """What is perceived of a file; None where it cannot be decoded."""
    from streamer.errors import SandboxFailedError, UndecodableError

    seed = hashlib.sha256(b"earshot label sheet").digest()
    try:
        return sandbox.decode(str(file), seed, _DECODE_SECONDS)
    except (SandboxFailedError, UndecodableError):
        return None
