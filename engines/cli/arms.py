"""`earshot arms`: train the networks that the fusion network is compared with, and itself, with many seeds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import JsonOption, errors_told, need_training_packages, print_json, progress


def arms(
    features: Annotated[Path, typer.Option(help="Folder of features, made by `earshot dataset features`.")],
    words: Annotated[Path, typer.Option(help="Folder with words.safetensors and tokenizer.json.")],
    out: Annotated[Path, typer.Option(help="Folder for logits, weights and curves; what is there is not made again.")],
    arm: Annotated[list[str] | None, typer.Option(help="Which arm; may be repeated. None: all.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds for each arm, counted from `--first`.")] = 8,
    first: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's number.")] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="Sources to train without, as in a row's groups: sesa.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads. None: one per core.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train arms on stored features, and keep their logits on validation and test clips, as heard and as disturbed."""
    need_training_packages()
    from engines.models.arms import ARMS
    from engines.training.arms import Workshop, train_arm
    from engines.training.late import LATE, fuse
    from engines.training.recipes import STARTER
    from engines.training.starter import open_features
    from engines.training.threads import use_threads

    chosen = arm or [*ARMS, *LATE]
    if unknown := sorted(set(chosen) - {*ARMS, *LATE}):
        raise typer.BadParameter(f"came arms {unknown}, expected some of {[*ARMS, *LATE]}")
    use_threads(threads)
    with errors_told():
        feature_set, vectors = open_features(features, words, without or ())
        options = replace(STARTER.tune, epochs=epochs or STARTER.tune.epochs)
        shop = Workshop(feature_set, vectors, STARTER.sizes(vectors), options)
        # Late fusion comes after its parts; seeds come one by one, so that a stopped run leaves whole comparisons.
        ordered = [name for name in (*ARMS, *LATE) if name in chosen]
        with progress("arms", len(ordered) * seeds) as advance:
            for seed in range(first, first + seeds):
                for name in ordered:
                    train_arm(shop, name, seed, out) if name in ARMS else fuse(name, feature_set, vectors, out, seed)
                    advance(note=f"{name} {seed}")
    if as_json:
        print_json({"folder": str(out), "arms": ordered, "seeds": list(range(first, first + seeds))})
    else:
        typer.echo(f"{len(ordered)} arms of {seeds} seeds in {out}; earshot evaluate arms --runs {out}")
