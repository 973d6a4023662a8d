"""`earshot select`: which videos of a pool are worth a label next, each with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engines.cli.common import JsonOption, errors_told, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from engines.active.pool import Pool
    from engines.active.pool_file import Rejected
    from engines.active.select import Request, Selection, Wish

MOST_SHOWN = 20
GateOption = Annotated[
    Path | None, typer.Option(help="A frozen gate set, whose clips are not looked at: `earshot dataset gate`.")
]


def select(
    pool: Annotated[Path, typer.Argument(help="JSONL or Parquet, a row for each video: docs/select.md.")],
    task: Annotated[str, typer.Option(help="What is labelled: clickbait, adult or relevance.")],
    out: Annotated[Path, typer.Option(help="File of requests, JSONL; an older one is replaced.")],
    batch: Annotated[int, typer.Option(min=1, help="How many videos to ask about.")] = 50,
    strategy: Annotated[str, typer.Option(help="lsb, or a published one: random, margin, badge, seals, ...")] = "lsb",
    like: Annotated[
        list[str] | None, typer.Option(help="Id of a reported video, to look for more of its kind; may be repeated.")
    ] = None,
    index: Annotated[
        Path | None, typer.Option(help="Index of embeddings; made, or added to. Worth it from 20,000 videos on.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="What earlier rounds taught, JSON. None: beside --out, <out>.state.json.")
    ] = None,
    gate: GateOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all chance.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Choose the next videos to label, and say why each.

    Give the same --state every round, and the pool with the labels that came: the selection learns which of its ways
    pay. Example: earshot select pool.jsonl --task clickbait --batch 50 --like vid-17 --like vid-90 --out requests.jsonl
    """
    with errors_told():
        from engines.active.select import Wish

        wish = Wish(task=task, count=batch, strategy=strategy, like=tuple(like or ()))
        remembered = state or out.with_name(f"{out.name}.state.json")
        chosen, rejected = _select(_outside(pool, gate), wish, out, remembered, index, seed)
    if len(chosen.requests) < batch:
        typer.echo(f"earshot: asked for {batch} videos, only {len(chosen.requests)} are left to label", err=True)
    if as_json:
        told = {"rejected": rejected, "left": chosen.left, "state": str(remembered)}
        print_json({"requests": chosen.requests, **told})
        return
    _show(chosen.requests)
    scores = "a head fitted to your labels" if chosen.head else "the pool"
    typer.echo(f"{len(chosen.requests)} requests in {out}; scores are of {scores}; {chosen.left} videos left")


def _select(
    read: tuple[Pool, list[Rejected]], wish: Wish, out: Path, remembered: Path, index: Path | None, seed: int
) -> tuple[Selection, int]:
    """What is chosen, written into its files, and how many rows were left out."""
    import numpy as np

    from engines.active.memory import Memory, read_state, write_state
    from engines.active.pool_file import write_rejected
    from engines.active.select import indexed, write_requests
    from engines.active.select import select as choose

    videos, rejected = read
    memories = read_state(remembered, videos.bundle)
    memory = memories.tasks.setdefault(wish.task, Memory())
    near = None if index is None else indexed(index, videos)
    rng = np.random.default_rng([seed, memory.rounds, len(memory.open)])
    chosen = choose(videos, wish, memory, rng, near)
    if rejected:
        beside = write_rejected(out.with_name(f"{out.name}.rejected.jsonl"), rejected)
        _tell_rejected(rejected, len(videos), beside)
    if index is not None and near is not None:
        near.save(index)
    write_requests(out, chosen.requests)
    write_state(remembered, memories)  # last: a run that was cut off before it asks the same again
    return chosen, len(rejected)


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


def _show(requests: tuple[Request, ...]) -> None:
    from rich.console import Console

    Console().print(_table(requests))
    if len(requests) > MOST_SHOWN:
        typer.echo(f"and {len(requests) - MOST_SHOWN} more")


def _table(requests: tuple[Request, ...]) -> Table:
    from rich.table import Table

    table = Table("video", "arm", "score", "why", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for one in requests[:MOST_SHOWN]:
        table.add_row(one.video_id, one.arm, "-" if one.score is None else f"{one.score:.2f}", one.reason)
    return table
