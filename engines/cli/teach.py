"""`earshot teach`: some dozen labels -> a category of one's own in every verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engines.cli.common import BundleArgument, JsonOption, errors_told, need_packages, print_json, progress

if TYPE_CHECKING:
    from engines.active.pool import Pool
    from engines.active.pool_file import Rejected
    from engines.manifest import Manifest
    from engines.pilot.uncertainty import Reach
    from engines.teaching.measure import Measured
    from engines.teaching.told import Told


def teach(
    bundle: BundleArgument,
    pool: Annotated[Path, typer.Argument(help="Videos with their views: what `earshot label pool` wrote.")],
    name: Annotated[str, typer.Option(help="What the category is called in verdicts and policy.")],
    out: Annotated[Path, typer.Option(help="Folder of the new bundle; files of an older one are replaced.")],
    labels: Annotated[
        Path | None,
        typer.Option(help="Rows of video_id and value (1: of the category, 0: not). None: the pool's own of the task."),
    ] = None,
    task: Annotated[str, typer.Option(help="Whose score it raises: adult or clickbait.")] = "adult",
    share: Annotated[
        float | None, typer.Option(help="Of all uploads, that are of the category. None: as among the labels.")
    ] = None,
    sense: Annotated[
        list[str] | None, typer.Option(help="May be read: vision, audio, text; may be repeated. None: all.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of how labels are shared out to measure.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Teach a bundle a category of your own with some dozen labelled videos; it takes seconds and no training.

    What is alike in picture, sound or words to what was labelled is of the category, and raises the task's score. The
    graphs stay as they are, and so do scores of videos that are not of the category:

    earshot label pool videos/ --out pool.jsonl

    earshot teach starter pool.jsonl --labels labels.csv --name vaping --out bundles/mine

    earshot judge --bundle bundles/mine my.mp4
    """
    need_packages("active", "sklearn", "scipy")
    from engines.active.pool_file import read_pool
    from engines.bundle import find
    from engines.taught import SENSES
    from engines.teaching.teach import teach as taught
    from engines.teaching.wish import Wish

    with errors_told(), ExitStack() as bars:

        def start(steps: int) -> Callable[[], None]:
            return bars.enter_context(progress("measuring", steps))

        wish = Wish(name=name, task=task, share=share, senses=tuple(sense or SENSES), seed=seed)
        videos, broken = read_pool(pool)
        told = _told(videos, labels, task)
        _tell_rejected(pool, broken, told, out)
        manifest, measured = taught(find(bundle), videos, told, wish, out, start)
    if as_json:
        rows = {"labels": len(told.rejected), "pool": len(broken)}
        said = {"taught": manifest.taught[name], "measured": measured, "rejected": rows}
        print_json({"bundle": str(out), "id": manifest.id, **said})
    else:
        _tell(manifest, measured, name, out)


def _told(pool: Pool, labels: Path | None, task: str) -> Told:
    from engines.teaching.told import Told, read_told

    if labels is not None:
        return read_told(labels, task, pool.places)
    values = zip(pool.ids, pool.labels[task].tolist(), strict=True) if task in pool.labels else ()
    return Told({video_id: bool(value) for video_id, value in values if value in (0, 1)})


def _tell_rejected(pool: Path, broken: Sequence[Rejected], told: Told, out: Path) -> None:
    """Labels that cannot be used go into a file beside the bundle."""
    from engines.data.rows import write_rejected

    listed = write_rejected(told.rejected, (where := out.resolve()).with_name(f"{where.name}.rejected.jsonl"))
    if broken:
        typer.echo(f"earshot: left out {len(broken)} broken rows of {pool}; first: {broken[0].problem}", err=True)
    if listed is not None:
        typer.echo(f"earshot: left out {len(told.rejected)} labels, listed in {listed}", err=True)


def _tell(manifest: Manifest, measured: Measured, name: str, out: Path) -> None:
    lesson = manifest.taught[name]
    no, yes = lesson.labels
    typer.echo(f"{name}, a category of {lesson.task}, told by {' and '.join(lesson.senses)}; {yes} labels yes, {no} no")
    typer.echo("of labelled videos, by heads that were taught without them, reach the threshold:")
    typer.echo(f"  of the category   {_shown(measured.found)}")
    typer.echo(f"  of the others     {_shown(measured.alarms)}")
    if measured.unlabelled is not None:
        typer.echo(f"  without a label   {_shown(measured.unlabelled)}  (a random pool: how often it will be raised)")
    typer.echo(f"average precision {measured.average_precision:.2f}, by chance {measured.base:.2f}")
    typer.echo(f"bundle {manifest.id} in {out}")


def _shown(reach: Reach) -> str:
    return f"{reach.value:6.1%} of {reach.of:<6,} [{reach.low:.1%} to {reach.high:.1%}]"
