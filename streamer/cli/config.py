"""`earshot config`: what is in force, and where each value came from."""

from __future__ import annotations

from typing import Any

import typer

from streamer.cli.common import ConfigOption, JsonOption, errors_told, print_json, settings_from

app = typer.Typer(no_args_is_help=True, help="Show and check the configuration.")


@app.command()
def show(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print every setting in force, secrets masked, with the source of each that is not a default."""
    from streamer.settings import sources

    with errors_told():
        values = settings_from(config).model_dump(mode="json")
        if as_json:
            print_json(values)
            return
        came_from = sources(config)
        for name, value in _leaves(values):
            origin = next((source for key, source in came_from.items() if name == key), "default")
            typer.echo(f"{name} = {value!r}  ({origin})")


@app.command()
def check(config: ConfigOption = None) -> None:
    """Exit 0 when the configuration can be used, 2 with every fault at once when it cannot."""
    with errors_told():
        settings_from(config)
    typer.echo("the configuration is fine")


def _leaves(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    leaves: list[tuple[str, Any]] = []
    for name, value in values.items():
        nested = isinstance(value, dict) and value
        leaves.extend(_leaves(value, f"{prefix}{name}.") if nested else [(f"{prefix}{name}", value)])
    return leaves
