"""`earshot label sheet | export`: requests put before people."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.common import JsonOption, errors_told, print_json
from streamer.cli.label.common import PoolOption, RequestsArgument, requests_of


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

    Label Studio: create a project, paste the .xml under Labeling Interface > Code, import the tasks. Its JSON and JSON-MIN exports
    come back by: earshot label import export.json --requests requests.jsonl
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


def sheet() -> None:
    pass
