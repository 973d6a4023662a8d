"""`earshot dataset`: compose clips with labels from public data, check a table of one's own, look at either."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import JsonOption, errors_told, print_json, progress
from engines.cli.features import features

app = typer.Typer(help="Labelled clips to train and to measure with.", no_args_is_help=True)
app.command()(features)


@app.command()
def compose(
    out: Annotated[Path, typer.Option(help="Folder for the clips, manifest.jsonl and dataset.json.")],
    data: Annotated[Path, typer.Option(envvar="EARSHOT_DATA", help="Folder with images/, audio/ and text/.")],
    clips: Annotated[int, typer.Option(min=20, help="How many clips, of 4 s each.")] = 8400,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal datasets.")] = 1,
    without: Annotated[list[str] | None, typer.Option(help="A set of sounds or titles to leave out: sesa.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes. None: one per core.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compose clips of real photos, sounds and titles; goes on where an earlier run was stopped."""
    from engines.data.public.compose import compose as run

    jobs = jobs or os.cpu_count() or 1
    with errors_told(), progress("compose", clips) as advance:
        left_out = frozenset(without or ())
        dataset = run(data, out, clips=clips, seed=seed, without=left_out, jobs=jobs, on_clip=advance)
    if as_json:
        print_json({"folder": str(out), "dataset": dataset})
    else:
        typer.echo(f"{dataset.clips} clips in {out}; earshot dataset show {out}")


@app.command()
def show(folder: Annotated[Path, typer.Argument(help="A dataset folder.")], as_json: JsonOption = False) -> None:
    """Counts of a dataset."""
    from engines.data.public.manifest import read_dataset

    with errors_told():
        dataset = read_dataset(folder)
    print_json(dataset) if as_json else typer.echo(f"{dataset.clips} clips, sha256 {dataset.sha256}")
