"""`earshot bundle promote | adopt | rollback | history`: which bundle of a registry is current."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import BundleArgument, JsonOption, errors_told, print_json

RegistryOption = Annotated[Path, typer.Option(help="The folder that `earshot learn` keeps.", exists=True)]
BecauseOption = Annotated[str | None, typer.Option(help="Why, for the history.")]


def promote(
    candidate: Annotated[str, typer.Argument(help="Id of a candidate, or how it begins.")],
    registry: RegistryOption = Path("registry"),
    because: Annotated[
        str | None, typer.Option(help="Why, for the history; needed where something speaks against it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a candidate the current bundle.

    Refused, with every reason, when a task or protected slice falls by more than its margin (0.01 and 0.03, or what
    margins.toml in the registry says), when the exported graphs differ from the trained network, or when current has
    changed since. --because promotes all the same, and history keeps both. Workers that are pointed at
    <registry>/current take it at their next start.
    """
    from engines.learn.promote import RefusedError
    from engines.learn.promote import promote as run
    from engines.learn.registry import Registry

    with errors_told():
        try:
            entry = run(Registry(registry), candidate, _now(), because)
        except RefusedError as error:
            if as_json:
                print_json({"promoted": False, "against": error.reasons})
            raise
    if as_json:
        print_json({"promoted": True, "entry": entry, "current": str(registry / "current")})
        return
    for reason in entry.overridden:
        typer.echo(f"overridden: {reason}")
    typer.echo(f"current is {entry.bundle[:12]}; workers that run {registry / 'current'} take it at their next start")


def adopt(
    bundle: BundleArgument,
    registry: Annotated[Path, typer.Option(help="A folder that `earshot learn` keeps, or a new one.")] = Path(
        "registry"
    ),
    because: Annotated[
        str | None, typer.Option(help="Why, for the history; needed where a bundle is current already.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a bundle from outside the current one: taught, calibrated or quantised, or the first of a new registry.

    No gate is measured: that is for candidates of `earshot learn`. `earshot bundle rollback` takes it back.
    """
    from engines.learn.registry import Registry

    with errors_told():
        entry = Registry(registry).adopt(bundle, _now(), because)
    if as_json:
        print_json({"entry": entry, "current": str(registry / "current")})
    else:
        typer.echo(f"current is {entry.bundle[:12]}; workers that run {registry / 'current'} take it at next start")


def rollback(
    registry: RegistryOption = Path("registry"), because: BecauseOption = None, as_json: JsonOption = False
) -> None:
    """Put the bundle back that was current before; once more, the one before that."""
    from engines.learn.registry import Registry

    with errors_told():
        entry = Registry(registry).rollback(_now(), because)
    if as_json:
        print_json({"entry": entry, "current": str(registry / "current")})
    else:
        typer.echo(
            f"current is {entry.bundle[:12]} again; workers that run {registry / 'current'} take it at next start"
        )


def history(registry: RegistryOption = Path("registry"), as_json: JsonOption = False) -> None:
    """What was current when, and why; and the candidates that wait."""
    from engines.learn.registry import ID_LETTERS, Registry

    with errors_told():
        place = Registry(registry)
        entries, candidates = place.history(), place.candidates()
    waiting = [name for name in candidates if name not in {entry.bundle[:ID_LETTERS] for entry in entries}]
    if as_json:
        print_json({"history": entries, "candidates": waiting})
        return
    for entry in entries:
        told = f"  because {entry.because}" if entry.because else ""
        typer.echo(f"{entry.step:>4} {entry.at:<25} {entry.action:<8} {entry.bundle[:ID_LETTERS]}{told}")
        for reason in entry.overridden:
            typer.echo(f"     overridden: {reason}")
    typer.echo(f"never current: {', '.join(waiting) or 'none'}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
