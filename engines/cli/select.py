"""`earshot select` on a pool file: which of its videos are worth a label next, each with its reason.

The command itself is `streamer/cli/select.py`: it may make the pool out of the stream, which nothing here knows of.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from engines.active.flagged import Flagged
    from engines.active.pool import Pool
    from engines.active.pool_file import Rejected
    from engines.active.select import Request, Selection, Wish

MOST_SHOWN = 20

TaskOption = Annotated[str, typer.Option("--task", help="What is labelled: clickbait, adult or relevance.")]
OutOption = Annotated[Path, typer.Option("--out", help="File of requests, JSONL; an older one is replaced.")]
BatchOption = Annotated[int, typer.Option("--batch", min=1, help="How many videos to ask about.")]
StrategyOption = Annotated[
    str, typer.Option("--strategy", help="lsb, or a published one: random, margin, badge, seals, ...")
]
LikeOption = Annotated[
    list[str] | None,
    typer.Option("--like", help="Id of a reported video, to look for more of its kind; may be repeated."),
]
IndexOption = Annotated[
    Path | None,
    typer.Option("--index", help="Index of embeddings; made, or added to. Worth it from 20,000 videos on."),
]
StateOption = Annotated[
    Path | None,
    typer.Option("--state", help="What earlier rounds taught, JSON. None: beside --out, <out>.state.json."),
]
GateOption = Annotated[
    Path | None,
    typer.Option("--gate", help="A frozen gate set, whose clips are not looked at: `earshot dataset gate`."),
]
WatchOption = Annotated[
    Path | None,
    typer.Option("--watch", help="Also write which videos a head of the reported kind flags, JSONL: docs/select.md."),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Of all chance.")]


@dataclass(frozen=True, slots=True)
class Files:
    """What a selection reads and writes. state: None stands for a file beside `out`; watch: None: not asked for."""

    out: Path
    index: Path | None
    state: Path | None
    gate: Path | None
    watch: Path | None = None

    @property
    def remembered(self) -> Path:
        """The file of what earlier rounds taught."""
        return self.state or self.out.with_name(f"{self.out.name}.state.json")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was chosen, and how many rows of the pool were left out as broken. flagged: None: not asked for."""

    selection: Selection
    rejected: int
    files: Files
    flagged: tuple[Flagged, ...] | None = None

    def counts(self) -> dict[str, Any]:
        """For scripts."""
        selection = self.selection
        told = {"rejected": self.rejected, "left": selection.left, "state": str(self.files.remembered)}
        if self.flagged is not None:
            told["flagged"] = self.flagged
        return {"requests": selection.requests, **told}


def wish_of(task: str, batch: int, strategy: str, like: list[str] | None) -> Wish:
    """What the options ask for. Raises `ValueError` for a task or strategy that there is not."""
    from engines.active.select import Wish

    return Wish(task=task, count=batch, strategy=strategy, like=tuple(like or ()))


def choose(pool: Path, wish: Wish, files: Files, seed: int) -> Chosen:
    """Choose from a pool and write requests and state. Raises `ValueError` and `OSError` for what is wrong."""
    chosen = _select(_outside(pool, files.gate), wish, files, seed)
    left = len(chosen.selection.requests)
    if left < wish.count:
        typer.echo(f"earshot: asked for {wish.count} videos, only {left} are left to label", err=True)
    return chosen


def show(chosen: Chosen) -> None:
    """A table of the requests, and where they are."""
    from rich.console import Console

    requests, out = chosen.selection.requests, chosen.files.out
    Console().print(_table(requests))
    if len(requests) > MOST_SHOWN:
        typer.echo(f"and {len(requests) - MOST_SHOWN} more")
    scores = "a head fitted to your labels" if chosen.selection.head else "the pool"
    typer.echo(f"{len(requests)} requests in {out}; scores are of {scores}; {chosen.selection.left} videos left")
    if chosen.flagged is not None:
        typer.echo(f"{len(chosen.flagged)} videos in {chosen.files.watch} look like the reported kind")


def _select(read: tuple[Pool, list[Rejected]], wish: Wish, files: Files, seed: int) -> Chosen:
    """What is chosen, written into its files."""
    import numpy as np

    from engines.active.flagged import flagged, write_flagged
    from engines.active.memory import Memory, read_state, write_state
    from engines.active.pool_file import write_rejected
    from engines.active.select import indexed, select, write_requests

    videos, rejected = read
    memories = read_state(files.remembered, videos.bundle)
    memory = memories.tasks.setdefault(wish.task, Memory())
    near = None if files.index is None else indexed(files.index, videos)
    rng = np.random.default_rng([seed, memory.rounds, len(memory.open)])
    chosen = select(videos, wish, memory, rng, near)
    like_reports = None if files.watch is None else flagged(videos, wish.task, memory, np.random.default_rng(seed))
    if rejected:
        beside = write_rejected(files.out.with_name(f"{files.out.name}.rejected.jsonl"), rejected)
        _tell_rejected(rejected, len(videos), beside)
    if files.index is not None and near is not None:
        near.save(files.index)
    if files.watch is not None and like_reports is not None:
        write_flagged(files.watch, like_reports)
    write_requests(files.out, chosen.requests)
    write_state(files.remembered, memories)  # last: a run that was cut off before it asks the same again
    return Chosen(chosen, len(rejected), files, like_reports)


def _outside(pool: Path, gate: Path | None) -> tuple[Pool, list[Rejected]]:
    """The pool of a file without the clips of the gate, and the rows that are broken."""
    from engines.active.pool_file import read_pool
    from engines.learn.gate import read_gate

    videos, rejected = read_pool(pool)
    return videos if gate is None else videos.without(read_gate(gate).ids), rejected


def _tell_rejected(rejected: list[Rejected], good: int, beside: Path) -> None:
    first = rejected[0]
    typer.echo(
        f"earshot: left out {len(rejected)} of {good + len(rejected)} rows, listed in {beside}; the first is "
        f"{first.place}: {first.problem}",
        err=True,
    )


def _table(requests: tuple[Request, ...]) -> Table:
    from rich.table import Table

    table = Table("video", "arm", "score", "why", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for one in requests[:MOST_SHOWN]:
        table.add_row(one.video_id, one.arm, "-" if one.score is None else f"{one.score:.2f}", one.reason)
    return table
