"""`earshot dataset`: compose clips with labels from public data, check a table of one's own, look at either."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import JsonOption, errors_told, print_json, progress
from engines.cli.features import features
from engines.cli.gate import gate

app = typer.Typer(help="Labelled clips to train and to measure with.", no_args_is_help=True)
app.command()(features)
app.command()(gate)


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
def shots(
    out: Annotated[Path, typer.Option(help="Folder for the clips, manifest.jsonl and dataset.json.")],
    data: Annotated[Path, typer.Option(envvar="EARSHOT_DATA", help="Folder with images/ and audio/; needs SESA.")],
    dataset: Annotated[
        Path, typer.Option(help="What `compose` made: harmless pictures are taken from its test clips.")
    ],
    pairs: Annotated[int, typer.Option(min=2, help="How many pairs of clips, of 12 s each.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal clips.")] = 1,
    held_out: Annotated[
        bool, typer.Option(help="Only sounds that are in no training or validation clip of `--dataset`.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Pairs of quiet clips, one with a shot and one with an everyday sound; measured by `earshot evaluate shots`."""
    from engines.data.public.shots import compose_shots

    with errors_told(), progress("shots", 2 * pairs) as advance:
        made = compose_shots(data, dataset, out, pairs=pairs, seed=seed, held_out=held_out, on_clip=advance)
    if as_json:
        print_json({"folder": str(out), "dataset": made})
    else:
        typer.echo(f"{made.clips} clips in {out}; earshot judge --json {out}/clips/*.mp4")


@app.command()
def check(
    table: Annotated[Path, typer.Argument(help="CSV, JSONL or Parquet; columns as docs/dataset.md lists them.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the dataset. None: check only.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the split of rows that state none.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Check a table of your own videos and labels, row by row, and make a dataset of it."""
    from engines.data.public.manifest import write_dataset
    from engines.data.public.summary import summarise
    from engines.data.public.table import read_table

    with errors_told():
        rows = read_table(table, seed=seed)
        if out is not None:
            write_dataset(out, rows, made_with={"kind": "table", "table": table.name, "seed": seed}, licences={})
    if as_json:
        print_json({"table": str(table), "folder": str(out) if out else None, "summary": summarise(rows)})
    else:
        typer.echo(f"{table}: {len(rows)} rows, all right{f'; dataset in {out}' if out else ''}")


@app.command()
def show(folder: Annotated[Path, typer.Argument(help="A dataset folder.")], as_json: JsonOption = False) -> None:
    """Count what a dataset holds: labels, slices, hours and reuse of each split."""
    from engines.data.public.manifest import read_dataset, read_rows
    from engines.data.public.summary import summarise

    with errors_told():
        dataset = read_dataset(folder)
        summary = summarise(read_rows(folder))
    if as_json:
        print_json({"folder": str(folder), "dataset": dataset, "summary": summary})
        return
    from rich.console import Console

    from engines.cli.dataset_table import dataset_table

    made = dataset.made_with
    typer.echo(f"{folder}: {summary.clips} clips, {made.get('kind', 'of unknown make')}, seed {made.get('seed')}")
    Console().print(dataset_table(summary))
    typer.echo(f"sources in two splits: {summary.crossing}\nmanifest sha256 {dataset.sha256}")
