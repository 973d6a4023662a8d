"""What the commands share: options, settings, output and the way an error ends a command."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from streamer.settings import Settings

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="YAML file; EARSHOT_<SECTION>__<KEY> in the environment wins over it."),
]
#: Where rendered clips are kept from one call to the next.
CLIPS_FOLDER = Path("~/.cache/earshot")

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

JsonOption = Annotated[bool, typer.Option("--json", help="For scripts: JSON on stdout, nothing else.")]
BundleOption = Annotated[str | None, typer.Option("--bundle", help="Name of a shipped bundle, or a folder.")]

BrokersOption = Annotated[
    str | None, typer.Option("--brokers", help="Kafka's bootstrap servers; instead of kafka.bootstrap_servers.")
]

SinceOption = Annotated[
    str | None, typer.Option("--since", help="Only records from then on: 30m, 12h, 7d, or a time with its zone.")
]

EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine", help="auto, ort (ONNX Runtime, CPU), ort-cuda or trt (TensorRT); `engine.kind` otherwise."
    ),
]


def settings_from(config: Path | None, **overrides: Any) -> Settings:
    """Settings with the options that were given on the command line; `__` in a name stands for a dot."""
    from streamer.logs import configure_logs
    from streamer.settings import load_settings

    given = {name.replace("__", "."): value for name, value in overrides.items() if value is not None}
    settings = load_settings(config, given)
    configure_logs(settings.log.level, settings.log.format)
    return settings


def print_json(value: Any) -> None:
    """One JSON document on a line of its own."""
    import msgspec

    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()


def made_folder(folder: Path, option: str) -> Path:
    """The folder, there and absolute. Raises `SettingsError` (fatal) naming the option that chooses another."""
    from streamer.errors import SettingsError

    try:
        folder = folder.expanduser()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a user without a home
        raise SettingsError(f"cannot write to {folder}: {error}; name another place with {option}") from error
    return folder.resolve()


def usage_error(message: str) -> typer.Exit:
    """Say on stderr how the command was used wrongly; raise what this returns."""
    typer.echo(f"earshot: {message}", err=True)
    return typer.Exit(2)


@contextmanager
def errors_told() -> Iterator[None]:
    """Turn Earshot's errors into a line on stderr: 2 when it was used wrongly, 1 when it ran and failed."""
    from streamer.errors import EarshotError, SettingsError

    try:
        yield
    except SettingsError as error:
        raise usage_error(str(error)) from error
    except EarshotError as error:
        typer.echo(f"earshot: {error}", err=True)
        raise typer.Exit(1) from error


def since_ms_of(text: str | None) -> int | None:
    """Unix time in milliseconds of a span before now, or of a moment. Raises `SettingsError` for anything else."""
    from streamer.errors import SettingsError

    if text is None:
        return None
    span = re.fullmatch(r"(\d{1,5})([mhd])", text)
    if span is not None:
        moment = datetime.now(UTC) - timedelta(**{_UNITS[span[2]]: int(span[1])})
        return max(0, int(moment.timestamp() * 1000))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min
    if moment.tzinfo is None:
        raise SettingsError(f"--since {text}: expected 30m, 12h, 7d, or a time such as 2026-05-04T09:30:00Z")
    return max(0, int(moment.timestamp() * 1000))


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on stderr where that is a terminal; call what it gives with how many pieces more are done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    quiet = not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda pieces: bar.advance(task, pieces)
