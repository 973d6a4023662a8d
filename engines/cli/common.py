"""What the commands on models share: progress, JSON output and the way an error ends a command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

JsonOption = Annotated[bool, typer.Option("--json", help="For scripts: JSON on stdout, nothing else.")]
#: The bundle whose word vectors are taken where no others are named.
SHIPPED_WORDS = "starter"
WordsOption = Annotated[
    str, typer.Option("--words", help="Folder of word vectors (`earshot distil`), or the bundle whose own are taken.")
]
BundleArgument = Annotated[str, typer.Argument(help="Name of a shipped bundle, or a folder.")]


class FirstByDefault(TyperGroup):
    """The first command may go without its name: `evaluate world ...` is `evaluate bundle world ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What is neither a command nor a plea for help belongs to the first command."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)


def print_json(value: Any) -> None:
    """One JSON document on a line of its own."""
    import msgspec

    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()


def shown_path(path: Path) -> str:
    """Below the working directory as it is from there; elsewhere only its name, as results are for everybody."""
    absolute = path.resolve()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else absolute.name


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[..., None]]:
    """A bar on stderr, or a line for each tenth where that is no terminal; call what it gives once per piece."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=total)
        done = 0

        def advance(*_: object, note: str = "") -> None:
            nonlocal done
            done += 1
            bar.update(task, advance=1, description=f"{label} {note}".rstrip())
            if not console.is_terminal and done * 10 // total > (done - 1) * 10 // total:
                console.print(f"{label} {done} of {total} {note}".rstrip(), highlight=False)

        yield advance


@contextmanager
def errors_told() -> Iterator[None]:
    """A line on stderr instead of a traceback, and exit code 1, for what is wrong with files and data."""
    from engines.runner import RunnerError

    try:
        yield
    except (ValueError, OSError, RunnerError) as error:
        typer.echo(f"earshot: {error}", err=True)
        raise typer.Exit(1) from error


def need_training_packages() -> None:
    """End the command when torch is not installed, saying how to get it."""
    need_packages("train", "torch", "onnx", "onnxscript", "matplotlib")


def need_packages(extra: str, *names: str) -> None:
    """End the command when one of these modules is not installed, naming the extra that has it."""
    from importlib.util import find_spec

    missing = [name for name in names if find_spec(name) is None]
    if missing:
        typer.echo(f"earshot: this command needs {', '.join(missing)}; pip install 'earshot[{extra}]'", err=True)
        raise typer.Exit(1)
