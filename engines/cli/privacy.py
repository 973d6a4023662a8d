"""`earshot privacy`: what stored sound gives away about people."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import JsonOption, errors_told, need_training_packages, print_json, progress

app = typer.Typer(help="What stored sound gives away about people.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keeps `attack` a command of its own name."""


@app.command()
def attack(
    data: Annotated[Path, typer.Option(help="Folder of the public sets: audio/fsdd.csv and the like.", exists=True)],
    out: Annotated[Path | None, typer.Option(help="File for the table in Markdown.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is mixed with what.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Train recognisers of speakers, digits and events on what each --audio-privacy stores; say how right they are."""
    need_training_packages()
    from engines.privacy.measure import as_markdown, listen, measure

    with errors_told(), ExitStack() as stack:

        def bar(recordings: int) -> Callable[[], None]:
            return stack.enter_context(progress("listen", recordings))

        findings = measure(listen(data, seed, bar))
        table = as_markdown(findings)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(table, "utf-8")
    if as_json:
        print_json(findings)
    else:
        typer.echo(table)
