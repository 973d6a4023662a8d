"""`earshot arms`: train the networks that the fusion network is compared with, and itself, with many seeds."""

from __future__ import annotations

import os
from dataclasses import replace
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


def arms(
    features: Annotated[Path, typer.Option(help="Folder of features, made by `earshot dataset features`.")],
    out: Annotated[Path, typer.Option(help="Folder for logits, weights and curves; what is there is not made again.")],
    words: WordsOption = SHIPPED_WORDS,
    arm: Annotated[list[str] | None, typer.Option(help="Which arm; may be repeated. None: all.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds for each arm, counted from `--first`.")] = 8,
    first: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's number.")] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="Sources to train without, as in a row's groups: sesa.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Trainings at the same time, each on one thread. None: one per core.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train arms on stored features, and keep their logits on validation and test clips, as heard and as disturbed."""
    need_training_packages()
    from engines.models.arms import ARMS
    from engines.training.bundle_words import words_folder
    from engines.training.costs import costs_ms, write_costs
    from engines.training.jobs import Source, train_side_by_side
    from engines.training.late import LATE, fuse
    from engines.training.recipes import STARTER

    chosen = arm or [*ARMS, *LATE]
    if unknown := sorted(set(chosen) - {*ARMS, *LATE}):
        raise typer.BadParameter(f"came arms {unknown}, expected some of {[*ARMS, *LATE]}")
    trained, late = ([name for name in names if name in chosen] for names in (ARMS, LATE))
    every_seed = range(first, first + seeds)
    options = replace(STARTER.tune, epochs=epochs or STARTER.tune.epochs)
    with errors_told(), progress("arms", len([*trained, *late]) * seeds) as advance:
        source = Source(features=features, words=words_folder(words), options=options, without=tuple(without or ()))
        shop = source.open()
        # Seeds come one by one, so that a stopped run leaves whole comparisons; late fusion comes after its parts.
        runs = [(name, seed) for seed in every_seed for name in trained]
        for name, seed in train_side_by_side(source, runs, out, jobs or os.cpu_count() or 1):
            advance(note=f"{name} {seed}")
        for name, seed in ((name, seed) for seed in every_seed for name in late):
            fuse(name, shop.features, shop.words, out, seed)
            advance(note=f"{name} {seed}")
        write_costs(out, costs_ms(shop))
    if as_json:
        print_json({"folder": str(out), "arms": [*trained, *late], "seeds": list(every_seed)})
    else:
        typer.echo(f"{len([*trained, *late])} arms of {seeds} seeds in {out}; earshot evaluate arms --runs {out}")
