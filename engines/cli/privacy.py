"""`earshot privacy`: what stored sound gives away about people."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import (
    SHIPPED_WORDS,
    JsonOption,
    WordsOption,
    errors_told,
    need_training_packages,
    print_json,
    progress,
)
from engines.privacy import AudioPrivacy

app = typer.Typer(help="What stored sound gives away about people.", no_args_is_help=True)


@app.command()
def attack(
    data: Annotated[Path, typer.Option(help="Folder of the public sets: audio/fsdd.csv and the like.", exists=True)],
    out: Annotated[Path | None, typer.Option(help="File for the table in Markdown.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is mixed with what.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Train recognisers of speakers, digits and events on what each --audio-privacy stores; say how right they are."""
    need_training_packages()
    from engines.privacy.measure import as_markdown, listen, measure

    with errors_told(), ExitStack() as stack:

        def bar(recordings: int) -> Callable[[], None]:
            return stack.enter_context(progress("listen", recordings))

        findings = measure(listen(data, seed, bar))
        table = as_markdown(findings)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(table, "utf-8")
    if as_json:
        print_json(findings)
    else:
        typer.echo(table)


@app.command("leave-out")
def leave_out(
    features: Annotated[Path, typer.Argument(help="Folder of features that holds everything.")],
    out: Annotated[Path, typer.Option(help="Folder for those that may be kept.")],
    audio_privacy: Annotated[AudioPrivacy, typer.Option(help="What may be kept of sound.")],
    as_json: JsonOption = False,
) -> None:
    """Take out of stored features what --audio-privacy forbids, without decoding any video again."""
    need_training_packages()
    from engines.privacy import folder
    from engines.training.features import read_header

    with errors_told(), progress("features", len(folder.shards(read_header(features)))) as advance:
        folder.leave_out(features, out, audio_privacy, advance)
    if as_json:
        print_json({"folder": str(out), "audio_privacy": str(audio_privacy)})
    else:
        typer.echo(f"{out}: features with audio privacy {audio_privacy}; {features} is as it was")


@app.command()
def price(
    features: Annotated[Path, typer.Argument(help="What `earshot dataset features` stored.")],
    words: WordsOption = SHIPPED_WORDS,
    epsilon: Annotated[list[float] | None, typer.Option(help="A budget; may be given many times.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings for each budget.")] = 4,
    as_json: JsonOption = False,
) -> None:
    """Train a head with differential privacy (DP-SGD) and without, and say what the privacy costs on test clips."""
    need_training_packages()
    from importlib.util import find_spec

    if find_spec("opacus") is None:
        typer.echo("earshot: this command needs opacus; pip install 'earshot[privacy]'", err=True)
        raise typer.Exit(1)
    from engines.privacy.head import price as measure
    from engines.training.bundle_words import words_folder
    from engines.training.starter import open_features

    budgets = epsilon or [8.0, 2.0, 0.5]
    with errors_told(), progress("heads", (1 + len(budgets)) * seeds) as advance:
        feature_set, vectors = open_features(features, words_folder(words))
        prices = measure(feature_set, vectors, budgets, seeds, on_head=advance)
    if as_json:
        print_json(prices)
        return
    for row in prices:
        budget = "no privacy" if row.epsilon is None else f"epsilon {row.epsilon:.2f}, delta {row.delta:.0e}"
        told = (f"{task} {row.precision[task]:.3f} ± {1.96 * row.error[task]:.3f}" for task in row.precision)
        typer.echo(f"{budget:<28} average precision: {', '.join(told)}")


@app.command()
def compare(
    kept: Annotated[Path, typer.Argument(help="Folder of runs of arms that keep everything, by `earshot arms`.")],
    dataset: Annotated[Path, typer.Option(help="Folder of the data set that they were trained on.")],
    anonymise: Annotated[Path | None, typer.Option(help="Folder of runs on features that were anonymised.")] = None,
    summary: Annotated[Path | None, typer.Option(help="Folder of runs on features that are summaries.")] = None,
    arm: Annotated[str, typer.Option(help="Which arm.")] = "vlmae",
    as_json: JsonOption = False,
) -> None:
    """Say what --audio-privacy costs the verdicts: trainings on what `leave-out` left, seed by seed."""
    need_training_packages()
    from engines.privacy.kept import compare as compared

    given = {AudioPrivacy.ANONYMISE: anonymise, AudioPrivacy.SUMMARY: summary}
    runs = {choice: folder for choice, folder in given.items() if folder is not None}
    if not runs:
        raise typer.BadParameter("expected --anonymise, --summary or both")
    with errors_told():
        found = compared(kept, runs, dataset, arm=arm)
    if as_json:
        print_json(found)
        return
    for one in found:
        came, lost = one.value, one.difference
        typer.echo(
            f"{one.audio_privacy:<9} {one.task:<9} {one.metric:<8} {came.value:.3f}, {lost.value:+.3f} "
            f"[{lost.low:+.3f}, {lost.high:+.3f}] of everything, {lost.seeds} seeds"
        )
