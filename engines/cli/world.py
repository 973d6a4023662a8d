"""`earshot world`: clips of known truth."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import JsonOption, errors_told, print_json, progress

app = typer.Typer(help="The procedural world: short videos of which all is known.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keeps `render` a command of its own name."""


@app.command()
def render(
    out: Annotated[Path, typer.Argument(help="Folder for the mp4 files and truth.jsonl.")],
    clips: Annotated[int, typer.Option(min=1, help="How many clips.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Which world; equal seeds give equal clips.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Clips at a time. None: one per core.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Render clips as H.264 + AAC, and their truth as JSON lines."""
    from engines.data.world import TRUTH_FILE, render_world

    with errors_told(), progress("render", clips) as advance:
        render_world(out, clips=clips, seed=seed, threads=threads or os.cpu_count() or 1, on_clip=advance)
    summary = {"folder": str(out), "truth": str(out / TRUTH_FILE), "clips": clips, "seed": seed}
    if as_json:
        print_json(summary)
    else:
        typer.echo(f"{clips} clips of world {seed} in {out}, their truth in {TRUTH_FILE}")
