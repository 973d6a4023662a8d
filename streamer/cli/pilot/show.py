"""Stage 1 as terminal text, as JSON, and as files."""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec
from rich.table import Table
from rich.text import Text

from engines.data.rows import write_whole
from engines.teaching.fit import FEWEST
from engines.teaching.wish import TASKS as TEACHABLE
from streamer.cli.pilot import pool
from streamer.cli.pilot.page import WAYS, page, percent, points
from streamer.cli.pilot.start import POOL, REJECTED, REPORT, RESULT, Stage
from streamer.report.table import console
from streamer.report.words import clean


def document(stage: Stage, out: Path) -> dict[str, object]:
    """For scripts."""
    return {
        "answers": stage.answers,
        "findings": stage.findings,
        "worth": {task: sheet.numbers() for task, sheet in stage.sheets.items()},
        "videos": len(stage.judged),
        "undecodable": [item.file for item in stage.judged if not item.embedding],
        "labels": len(stage.labels.by_file),
        "rejected": len(stage.labels.rejected),
        "cpu_seconds": stage.cpu_seconds,
        "bundle": stage.bundle,
        "report": str(out / REPORT),
        "pool": str(out / POOL),
    }


def write(stage: Stage, out: Path) -> None:
    """The page, the numbers behind it, and the videos as a pool."""
    content = msgspec.json.encode(document(stage, out))
    write_whole(out / RESULT, msgspec.json.format(content, indent=2) + b"\n")
    write_whole(out / REPORT, page(stage).encode())
    pool.write(stage, out)


def show(stage: Stage, out: Path) -> None:
    """Answers first, then what they rest on."""
    terminal = console()
    for answer in stage.answers:
        style = {"go": "bold green", "no-go": "bold red"}.get(answer.answer, "bold yellow")
        told = Text(f"{answer.task}: ").append(answer.answer, style=style).append(f"  {answer.reason}")
        terminal.print(told, soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("task", "way", "caught", "false alarms", "sound added"):
        table.add_column(name)
    for found in stage.findings:
        for name, way in found.ways.items():
            shares = [percent(reach) if reach.of else "–" for reach in (way.caught, way.false_alarms)]
            heard = points(found.audio.caught.value) if found.audio and name == "shipped" else ""
            table.add_row(found.task, f"{'> ' if name == found.best else '  '}{WAYS[name]}", *shares, heard)
    terminal.print(table)
    if stage.labels.rejected:
        terminal.print(f"{len(stage.labels.rejected)} rows of labels cannot be used: {out / REJECTED}", style="yellow")
    if stage.labels.unused:
        names = clean(", ".join(stage.labels.unused))
        terminal.print(f"columns that mean nothing here: {names}", style="yellow", markup=False)
    terminal.print(f"page   {out / REPORT}", soft_wrap=True)
    for found in stage.findings:
        enough = min(found.bad, found.videos - found.bad) >= FEWEST
        if found.best == "head" and found.task in TEACHABLE and enough:
            command = ("earshot", "teach", stage.bundle_path, str(out / POOL), "--task", found.task)
            terminal.print(f"head   {shlex.join(command)} --name NAME --out bundles/mine", soft_wrap=True, markup=False)
