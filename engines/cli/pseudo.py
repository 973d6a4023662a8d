"""`earshot evaluate pseudo`: do pseudo-labels help, and where?"""

from __future__ import annotations

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


def pseudo(
    features: Annotated[Path, typer.Argument(help="What `earshot dataset features` stored.", exists=True)],
    words: WordsOption = SHIPPED_WORDS,
    labels: Annotated[list[int] | None, typer.Option(min=20, help="How many labels; may be given many times.")] = None,
    seeds: Annotated[int, typer.Option(min=2, help="Draws of who is labelled, for each number.")] = 12,
    positive: Annotated[float, typer.Option(help="Score from which on a guess is yes.")] = 0.95,
    negative: Annotated[float, typer.Option(help="Score down from which a guess is no.")] = 0.05,
    neighbours: Annotated[int, typer.Option(min=1, help="Nearest labelled clips that have to agree.")] = 5,
    share: Annotated[float, typer.Option(min=0, help="Guesses of a class at most, as a share of its labels.")] = 0.5,
    as_json: JsonOption = False,
) -> None:
    """Train a logistic head on labels, and again with pseudo-labels beside them; compare on test clips, per slice.

    Which clips are labelled is drawn anew for each seed, and both heads of a seed see the same labels.
    """
    need_training_packages()
    from engines.learn.guessing import GUESSED
    from engines.learn.pseudo import PseudoOptions
    from engines.learn.worth import open_table, worth
    from engines.training.bundle_words import words_folder

    budgets = labels or [100, 400, 1600]
    with errors_told():
        options = PseudoOptions(positive=positive, negative=negative, neighbours=neighbours, share=share)
        table = open_table(features, words_folder(words))
        with progress("heads", len(GUESSED) * len(budgets) * seeds) as advance:
            found = list(worth(table, budgets, seeds, options, advance))
    if as_json:
        print_json(found)
        return
    _tell("task", "labels", "guesses", "yes", "right", "slice", "AP", "with", "difference")
    for row in found:
        counts = f"{row.labels}", f"{row.guesses:.0f}", f"{row.positive:.0f}", f"{row.right:.1%}"
        gap = f"{row.difference:+.3f} ({row.low:+.3f} to {row.high:+.3f})"
        _tell(row.task, *counts, row.slice, f"{row.without:.3f}", f"{row.with_guesses:.3f}", gap)


def _tell(task: str, labels: str, guesses: str, yes: str, right: str, part: str, *measured: str) -> None:
    without, with_guesses, gap = measured
    typer.echo(
        f"{task:<10} {labels:>6} {guesses:>7} {yes:>4} {right:>6}  {part:<28} {without:>6} {with_guesses:>6}  {gap}"
    )
