"""`earshot bench`: how fast it is, as ratios that mean the same on every machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.common import (
    CLIPS_FOLDER,
    ConfigOption,
    JsonOption,
    errors_told,
    made_folder,
    print_json,
    settings_from,
    usage_error,
)


def bench(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Which ones; all by default.")] = None,
    runs: Annotated[int, typer.Option(min=1, max=100, help="Pairs of measurements.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="Tiny: shows that it works, and measures nothing.")] = False,
    work: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where clips are kept. [default: ~/.cache/earshot]")
    ] = None,
    config: ConfigOption = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="For documents: a table on stdout.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure what decides, each against its alternative in the same run: decode, stream, cache, memory, scale, peer.

    Uses the Kafka and the Redis that the configuration names, under names of its own; else the embedded broker and a
    redis-server on the PATH. Give it a machine that does nothing else.
    """
    from streamer.bench.plan import Plan
    from streamer.bench.registry import BENCHES
    from streamer.bench.show import markdown as document
    from streamer.bench.show import table
    from streamer.report.table import console

    if unknown := [name for name in names or () if name not in BENCHES]:
        raise usage_error(f"bench: came {', '.join(unknown)}; expected some of {', '.join(BENCHES)}")
    if as_json and markdown:
        raise usage_error("bench: came --json and --markdown; expected one of them")
    screen = console(stderr=True)
    results = []
    with errors_told(), screen.status("starting") as status:
        settings_from(config, log__level="error")

        def say(text: str) -> None:
            status.update(text)
            if not screen.is_terminal:
                screen.print(text, soft_wrap=True)

        plan = Plan(folder=made_folder(work or CLIPS_FOLDER, "--work"), runs=runs, quick=quick, config=config, say=say)
        for name in names or BENCHES:
            results.append(BENCHES[name].run(plan))
            if as_json:
                print_json(results[-1])
    if markdown:
        typer.echo(document(results))
    elif not as_json:
        console().print(table(results))
