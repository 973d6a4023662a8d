"""What the commands on labels share: options, and what they were told of videos and requests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamer.labels.check import Facts, Known
    from streamer.records import LabelRequest

BrokersOption = Annotated[
    str | None, typer.Option("--brokers", help="Kafka's bootstrap servers; instead of kafka.bootstrap_servers.")
]
PoolOption = Annotated[
    Path | None, typer.Option("--pool", help="The pool that the videos are of: their titles, addresses and queries.")
]
RequestsArgument = Annotated[Path, typer.Argument(metavar="REQUESTS", help="What `earshot select` wrote: JSON lines.")]
LabelsArgument = Annotated[Path, typer.Argument(metavar="LABELS", help="Labels as `label import` wrote them.")]


def now() -> str:
    """This moment, as RFC 3339."""
    return datetime.now(UTC).isoformat()


def requests_of(path: Path, pool: Path | None) -> list[LabelRequest]:
    """The requests of a file; what is none is listed beside it. Raises `SettingsError` when there is none at all."""
    return _requests(path, _facts(pool))


def _requests(path: Path, facts: Mapping[str, Facts]) -> list[LabelRequest]:
    from streamer.errors import SettingsError
    from streamer.labels.files import read_requests, write_rejected

    requests, broken = read_requests(path, facts, requested_at=now())
    beside = write_rejected(path, broken)
    if beside is not None:
        typer.echo(f"earshot: {path}: {len(broken)} lines are no requests; see {beside}", err=True)
    if not requests:
        raise SettingsError(f"{path}: came no request, expected JSON lines as `earshot select` writes them")
    return requests


def known_of(pool: Path | None, requests: Path | None) -> Known:
    """What answers may be about."""
    from streamer.labels.check import Known

    where = " or ".join(str(path) for path in (pool, requests) if path is not None) or None
    facts = _facts(pool)
    asked = _requests(requests, facts) if requests is not None else []
    return Known(where, facts, {request.request_id: request for request in asked})


def _facts(pool: Path | None) -> Mapping[str, Facts]:
    from streamer.labels.files import read_pool

    if pool is None:
        return {}
    facts, broken = read_pool(pool)
    if broken:
        typer.echo(
            f"earshot: {pool}: {len(broken)} lines are no rows of a pool, the first is line {broken[0].line}: "
            f"{broken[0].reason}",
            err=True,
        )
    return facts


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
