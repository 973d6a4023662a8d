"""What the commands on labels share: options, and what they were told of videos and requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamer.labels.check import Facts, Known
    from streamer.records import LabelRequest

PoolOption = Annotated[
    Path | None, typer.Option("--pool", help="The pool that the videos are of: their titles, addresses and queries.")
]
RequestsArgument = Annotated[Path, typer.Argument(metavar="REQUESTS", help="What `earshot select` wrote: JSON lines.")]
LabelsArgument = Annotated[Path, typer.Argument(metavar="LABELS", help="Labels as `label import` wrote them.")]

BesideOption = Annotated[Path | None, typer.Option("--labels", help="Labels to put beside the videos.")]
RedisOption = Annotated[str | None, typer.Option("--redis", help="The stream's cache; instead of cache.url.")]
ViewsOption = Annotated[
    bool, typer.Option("--views/--no-views", help="With what each sense alone makes of a video; four times the size.")
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where the pool goes, and what goes into it."""

    out: Path
    since: str | None
    labels: Path | None
    views: bool


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
    from streamer.labels.pool_file import read_facts

    if pool is None:
        return {}
    facts, broken = read_facts(pool)
    if broken:
        typer.echo(
            f"earshot: {pool}: {len(broken)} lines are no rows of a pool, the first is line {broken[0].line}: "
            f"{broken[0].reason}",
            err=True,
        )
    return facts
