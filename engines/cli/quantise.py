"""`earshot quantise`: a bundle -> one whose towers compute in 8-bit integers, twice as fast on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import BundleArgument, JsonOption, errors_told, need_training_packages, print_json, progress


def quantise(
    bundle: BundleArgument,
    data: Annotated[Path, typer.Option(help="Folder with manifest.jsonl, dataset.json and the clips.")],
    out: Annotated[Path, typer.Option(help="Folder of the new bundle; files of an older one are replaced.")],
    clips: Annotated[int, typer.Option(min=1, help="How many clips to measure ranges on.")] = 64,
    split: Annotated[str, typer.Option(help="Whose clips: train, val or test.")] = "train",
    without: Annotated[list[str] | None, typer.Option(help="Sources to leave out, as in a row's groups: sesa.")] = None,
    graph: Annotated[list[str] | None, typer.Option(help="vision or audio; may be repeated. None: both.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Put the convolutions of the towers that look and listen into 8-bit integers.

    Say afterwards what that changes: earshot verify OUT --against BUNDLE --data DATA
    """
    need_training_packages()
    from engines.answers import Choice
    from engines.bundle import find
    from engines.spec import MARKING
    from engines.training.integers import quantise_bundle

    graphs = tuple(graph or MARKING)
    choice = Choice(split=split, without=tuple(without or ()))
    with errors_told(), progress("quantise", len(graphs)) as advance:
        manifest = quantise_bundle(find(bundle), data, out, choice, clips=clips, graphs=graphs, on_graph=advance)
    if as_json:
        print_json({"bundle": str(out), "id": manifest.id, "integers": manifest.training["integers"]})
    else:
        typer.echo(f"bundle {manifest.id} in {out}; {', '.join(graphs)} in integers")
