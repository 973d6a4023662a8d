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

#: Measured on its own: it needs a machine that the others do not.
GPU = "gpu"


def bench(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Which ones; all by default.")] = None,
    runs: Annotated[int, typer.Option(min=1, max=100, help="Pairs of measurements.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="Tiny: shows that it works, and measures nothing.")] = False,
    work: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where clips are kept. [default: ~/.cache/earshot]")
    ] = None,
    config: ConfigOption = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="For documents: a table on stdout.")] = False,
    report: Annotated[Path | None, typer.Option(help="Of gpu: folder for gpu.md and gpu.json.")] = None,
    plans: Annotated[Path, typer.Option(help="Of gpu: folder of plans.")] = Path("~/.cache/earshot/plans"),
    as_json: JsonOption = False,
) -> None:
    """Measure what decides, each against its alternative in the same run: decode, stream, cache, memory, scale, peer.

    `earshot bench gpu` measures TensorRT engines beside torch instead, and says what this machine lacks for that;
    `earshot bench gpu eye vit` measures only these parts of start, served, engines, eye, vit.

    Uses the Kafka and the Redis that the configuration names, under names of its own; else the embedded broker and a
    redis-server on the PATH. Give it a machine that does nothing else.
    """
    from streamer.bench.plan import Plan
    from streamer.bench.registry import BENCHES
    from streamer.bench.show import markdown as document
    from streamer.bench.show import table
    from streamer.report.table import console

    if names and names[0] == GPU:
        _gpu(config, plans, report, names[1:], quick=quick, as_json=as_json)
        return
    if unknown := [name for name in names or () if name not in BENCHES]:
        raise usage_error(f"bench: came {', '.join(unknown)}; expected some of {', '.join(BENCHES)}, or {GPU} alone")
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


def _gpu(
    config: Path | None, plans: Path, report: Path | None, parts: list[str], *, quick: bool, as_json: bool
) -> None:
    from engines.gpu.machine import open_machine
    from engines.runner import RunnerError
    from streamer.assemble import load_bundle
    from streamer.bench.gpu.lines import table, write
    from streamer.bench.gpu.run import PARTS, gpu_report
    from streamer.errors import SettingsError
    from streamer.report.table import console

    if unknown := sorted(set(parts) - set(PARTS)):
        raise usage_error(f"bench gpu: came {', '.join(unknown)}; expected some of {', '.join(PARTS)}")
    screen = console(stderr=True)
    with errors_told():
        settings = settings_from(config, log__level="error")
        bundle = load_bundle(settings.engine.bundle)
        try:
            found = gpu_report(
                bundle,
                plans.expanduser(),
                open_machine(settings.engine.device),
                parts or PARTS,
                compile_too=report is not None,
                quick=quick,
                say=lambda text: screen.print(text, soft_wrap=True, highlight=False),
            )
        except RunnerError as error:
            raise SettingsError(f"bench gpu: {error}") from error
    if report is not None:
        write(found, report, " ".join(["earshot bench gpu", *parts, f"--report {report}"]))
    if as_json:
        print_json(found)
        return
    console().print(table(found))
    for reason in found.missing:
        typer.echo(f"not measured: {reason}", err=True)
