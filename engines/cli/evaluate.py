"""`earshot evaluate`: how right a bundle is, what arms are worth, and how often harmless media are hit."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engines.cli.common import (
    BundleArgument,
    FirstByDefault,
    JsonOption,
    errors_told,
    need_training_packages,
    print_json,
    progress,
    shown_path,
)
from engines.cli.drift import drift
from engines.cli.evaluate_select import select, select_speed
from engines.cli.evaluate_teach import teach
from engines.cli.long import long
from engines.cli.novelty import novelty
from engines.cli.pseudo import pseudo

if TYPE_CHECKING:
    from engines.bundle import Bundle
    from engines.evaluation.harmless import Share

app = typer.Typer(
    cls=FirstByDefault,
    no_args_is_help=True,
    help="How right models are. `evaluate BUNDLE --data DIR` is `evaluate bundle BUNDLE --data DIR`.",
)


@app.command("bundle")
def evaluate_bundle(
    bundle: BundleArgument,
    data: Annotated[
        Path, typer.Option(help="A data set, as `earshot dataset check` makes it of a table; or clips of the world.")
    ],
    split: Annotated[str, typer.Option(help="Of a data set, which clips: train, val or test.")] = "test",
    as_json: JsonOption = False,
) -> None:
    """How right a bundle is on labelled videos: average precision of each task, and what its threshold does.

    Of videos of your own: earshot dataset check videos.csv --out data; earshot evaluate starter --data data

    Of clips of the procedural world: per sense that decides, with sound and with every sound track masked.
    """
    from engines.bundle import Bundle
    from engines.data.public.manifest import DATASET_FILE

    with errors_told():
        loaded = Bundle.load(bundle)
        if (data / DATASET_FILE).is_file():
            _labelled(loaded, data, split, as_json=as_json)
        else:
            _of_the_world(loaded, data, as_json=as_json)


def _labelled(bundle: Bundle, data: Path, split: str, *, as_json: bool) -> None:
    from engines.answers import Choice
    from engines.data.public.manifest import read_rows
    from engines.evaluation.labelled import evaluate_labelled

    every = read_rows(data)
    rows = Choice(split=split).of(every)
    if not rows:
        splits = ", ".join(sorted({row.split for row in every}))
        raise ValueError(f"{data}: came no clip of split {split!r}, expected one of {splits}")
    with progress("evaluate", len(rows)) as advance:
        found = evaluate_labelled(bundle, data, rows, advance)
    if as_json:
        print_json({"bundle": bundle.id, "split": split, "clips": len(rows), "tasks": found})
        return
    if not found:
        raise ValueError(f"{data}: came no task with labels of both kinds among {len(rows)} clips, expected one")
    names = "clips", "yes", "threshold", "called", "precision", "recall"
    typer.echo(f"{'task':<10} {'AP [95 %]':<22} " + " ".join(f"{name:>9}" for name in names))
    for item in found:
        limits = "few labels" if math.isnan(item.low) else f"{item.low:.3f}, {item.high:.3f}"
        interval = f"{item.average_precision:.3f} [{limits}]"
        precision = "-" if math.isnan(item.precision) else f"{item.precision:.1%}"
        shares = f"{item.called:>9.1%} {precision:>9} {item.recall:>9.1%}"
        typer.echo(
            f"{item.task:<10} {interval:<22} {item.clips:>9} {item.positives:>9} {item.threshold:>9.2f} {shares}"
        )


def _of_the_world(bundle: Bundle, data: Path, *, as_json: bool) -> None:
    from engines.data.clips import read_clips
    from engines.data.world import read_truths
    from engines.evaluation.world import evaluate as measure
    from engines.opening import open_engines

    sizes = bundle.preprocessing
    truths = read_truths(data)
    clips = read_clips(data, truths, frame_pixels=sizes.frame_pixels, window_samples=sizes.window_samples)
    with open_engines(bundle) as engines, progress("evaluate", len(clips)) as advance:
        qualities = measure(engines, bundle, clips, truths, on_clip=advance)
    if as_json:
        print_json({"bundle": bundle.id, "clips": len(clips), "qualities": qualities})
        return
    typer.echo(f"{'task':<10} {'decided by':<10} {'clips':>5} {'chance':>6} {'AP':>6} {'AP without sound':>16}")
    for item in qualities:
        typer.echo(
            f"{item.task:<10} {item.slice:<10} {item.clips:>5} {item.positives / item.clips:>6.3f} "
            f"{item.average_precision:>6.3f} {item.average_precision_without_audio:>16.3f}"
        )


@app.command()
def arms(
    runs: Annotated[Path, typer.Option(help="Folder of trained arms: <arm>/<seed>.safetensors.")],
    dataset: Annotated[Path, typer.Option(help="Folder of the data set that they were trained on.")],
    out: Annotated[Path, typer.Option(help="Folder for tables, plots and results.json; older ones are replaced.")],
    replicates: Annotated[
        int, typer.Option(min=2, help="Of the bootstrap over sources that intervals come from.")
    ] = 1000,
    as_json: JsonOption = False,
) -> None:
    """Compare arms on the test clips: tables, plots, and which goals are met."""
    need_training_packages()
    from engines.evaluation.compare import compare

    with errors_told():
        places = f"--runs {shown_path(runs)} --dataset {shown_path(dataset)} --out {shown_path(out)}"
        command = f"earshot evaluate arms {places} --replicates {replicates}"
        results, files = compare(runs, dataset, out, command=command, progress=progress, replicates=replicates)
    if as_json:
        print_json(results)
        return
    for goal in results.findings.goals:
        typer.echo(f"{goal.verdict:<36} {goal.goal} {goal.bar}: {goal.came}")
    typer.echo(f"written: {', '.join(str(path) for path in files)}")


@app.command()
def harmless(
    verdicts: Annotated[Path, typer.Argument(help="What `earshot judge --json FILES` printed; - for stdin.")],
    highest: Annotated[int, typer.Option(min=0, help="How many of the highest files to name, for each task.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """How often media known to be harmless reach a threshold, and which come closest.

    Example: earshot judge --json media/* > verdicts.jsonl; earshot evaluate harmless verdicts.jsonl
    """
    from engines.evaluation.harmless import shares
    from engines.evaluation.verdicts import read_verdicts

    with errors_told():
        lines = sys.stdin.buffer.read() if str(verdicts) == "-" else verdicts.read_bytes()
        found = shares(read_verdicts(lines, name=str(verdicts)), highest=highest)
    for share in found:
        if as_json:
            print_json(share)
        else:
            _tell(share)


@app.command()
def shots(
    folder: Annotated[Path, typer.Argument(help="What `earshot dataset shots` made.")],
    verdicts: Annotated[Path, typer.Argument(help="What `earshot judge --json` printed of its clips; - for stdin.")],
    as_json: JsonOption = False,
) -> None:
    """Whether a short shot in a long quiet track is heard, and whether the verdict says when.

    Example: earshot judge --json out/shots/*.mp4 > verdicts.jsonl; earshot evaluate shots out/shots verdicts.jsonl
    """
    from engines.data.public.manifest import read_rows
    from engines.evaluation.shots import measure
    from engines.evaluation.verdicts import read_verdicts

    with errors_told():
        lines = sys.stdin.buffer.read() if str(verdicts) == "-" else verdicts.read_bytes()
        found = measure(read_rows(folder), read_verdicts(lines, name=str(verdicts)))
    if as_json:
        print_json(found)
        return
    typer.echo(f"{found.pairs} pairs: the same pictures, once with a shot, once with an everyday sound")
    for name, share in (("scores above any everyday sound (AUC)", found.auc), ("above its own pair", found.paired)):
        typer.echo(f"  {name:<40} {share.value:.3f} ({share.low:.3f} to {share.high:.3f})")
    typer.echo(f"  {'sound is the first evidence':<40} {found.sound_first} of {found.pairs}")
    typer.echo(f"  {'its span is within a second of the shot':<40} {found.span_right} of {found.pairs}")


app.command()(select)
app.command("select-speed")(select_speed)
app.command()(pseudo)
app.command()(teach)
app.command()(long)
app.command()(novelty)
app.command()(drift)


def _tell(share: Share) -> None:
    typer.echo(f"{share.task}: {share.judged} judged, {share.unjudged} not")
    for threshold, count in share.at_least.items():
        typer.echo(f"  at or above {threshold:<22} {count:>5} files, {count / max(1, share.judged):>6.2%}")
    for hit in share.highest:
        heard = f"  ({', '.join(hit.names)})" if hit.names else ""
        typer.echo(f"  {hit.score:.3f}  {hit.file}{heard}")
