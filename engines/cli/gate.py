"""`earshot dataset gate`: labelled clips frozen under a name, to compare bundles on and for nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import JsonOption, errors_told, print_json


def gate(
    data: Annotated[Path, typer.Argument(help="Dataset or features: a folder with manifest.jsonl.", exists=True)],
    out: Annotated[Path, typer.Option(help="File of the gate, JSON; one that is there is never replaced.")],
    name: Annotated[str | None, typer.Option(help="What reports call it. None: as the file.")] = None,
    split: Annotated[str, typer.Option(help="Which clips: train, val or test.")] = "test",
    as_json: JsonOption = False,
) -> None:
    """Freeze the labelled clips of a split, with their words and labels, for `earshot learn --gate`.

    `earshot learn` never trains on them, nor on clips of the same source or near-duplicates. Take a split that people
    labelled at random: what a selection picked is harder than what is uploaded.
    """
    from engines.data.public.manifest import read_rows
    from engines.learn.gate import freeze, write_gate

    with errors_told():
        frozen = freeze((row for row in read_rows(data) if row.split == split), name or out.stem)
        write_gate(out, frozen)
    if as_json:
        print_json({"gate": str(out), "name": frozen.name, "sha256": frozen.sha256, "clips": len(frozen.rows)})
    else:
        typer.echo(f"gate {frozen.name}: {len(frozen.rows)} clips, sha256 {frozen.sha256[:12]}, in {out}")
