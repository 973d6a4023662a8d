"""`earshot train`: a recipe and decoded clips -> a checkpoint."""

from __future__ import annotations

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


def train(
    data: Annotated[Path, typer.Option(help="Of `world` decoded clips with truth.jsonl, of `starter` features.")],
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint and the curves.")],
    recipe: Annotated[str, typer.Option(help="Which recipe: world or starter.")] = "world",
    words: WordsOption = SHIPPED_WORDS,
    steps: Annotated[int | None, typer.Option(min=1, help="Of `world`, instead of the recipe's number.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of `starter`, instead of the recipe's number.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the recipe's.")] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="Sources to train without, as in a row's groups: sesa.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads. None: one per core.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train the networks of a recipe, and calibrate them on clips held out; under torchrun on many processes."""
    need_training_packages()
    from engines.training.threads import use_threads

    count = use_threads(threads)
    with errors_told():
        if recipe == "world" and words == SHIPPED_WORDS and epochs is None:
            checkpoint = _world(data, out, steps, seed, count)
        elif recipe == "starter" and steps is None:
            checkpoint = _starter(data, words, out, epochs, seed, without or [])
        else:
            raise typer.BadParameter(
                f"came recipe {recipe!r}; `world` takes --steps, `starter` takes --words and --epochs"
            )
    if as_json:
        print_json({"checkpoint": str(checkpoint), "recipe": recipe})
    else:
        typer.echo(f"checkpoint: {checkpoint}")


def _world(data: Path, out: Path, steps: int | None, seed: int | None, threads: int) -> Path:
    from engines.training.recipes import WORLD
    from engines.training.run import train_recipe

    trainer = replace(WORLD.trainer, steps=steps or WORLD.trainer.steps)
    chosen = replace(WORLD, trainer=trainer, seed=WORLD.seed if seed is None else seed)
    with progress("train", trainer.steps) as advance:
        return train_recipe(
            chosen,
            data,
            out,
            threads=threads,
            on_step=lambda _, loss: advance(note=f"loss {loss:.3f}"),
        )


def _starter(data: Path, words: str, out: Path, epochs: int | None, seed: int | None, without: list[str]) -> Path:
    from engines.training.bundle_words import words_folder
    from engines.training.recipes import STARTER
    from engines.training.starter import train_starter
    from engines.training.tuning.processes import joined

    tune = replace(STARTER.tune, epochs=epochs or STARTER.tune.epochs)
    chosen = replace(STARTER, tune=tune, seed=STARTER.seed if seed is None else seed)
    with joined() as processes, progress("train", tune.epochs) as advance:
        return train_starter(
            chosen,
            data,
            words_folder(words),
            out,
            without=without,
            processes=processes,
            on_epoch=lambda epoch: advance(note=f"loss {epoch.loss:.3f}, validation {epoch.quality:.3f}"),
        )
