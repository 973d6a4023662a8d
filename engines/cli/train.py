"""`earshot train`: a recipe and decoded clips -> a checkpoint."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import JsonOption, errors_told, need_training_packages, print_json, progress


def train(
    data: Annotated[Path, typer.Option(help="Folder with truth.jsonl and one safetensors file per clip.")],
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint and the loss curve.")],
    recipe: Annotated[str, typer.Option(help="Which recipe.")] = "world",
    steps: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's number of steps.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads. None: one per core.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train the networks of a recipe from nothing, and calibrate them on clips held out."""
    need_training_packages()
    from engines.training.recipes import RECIPES
    from engines.training.run import train_recipe

    if recipe not in RECIPES:
        raise typer.BadParameter(f"came recipe {recipe!r}, expected one of {sorted(RECIPES)}")
    chosen = RECIPES[recipe]
    if steps is not None:
        chosen = replace(chosen, trainer=replace(chosen.trainer, steps=steps))
    with errors_told(), progress("train", chosen.trainer.steps) as advance:
        checkpoint = train_recipe(
            chosen,
            data,
            out,
            threads=threads or os.cpu_count() or 1,
            on_step=lambda _, loss: advance(note=f"loss {loss:.3f}"),
        )
    if as_json:
        print_json({"checkpoint": str(checkpoint), "recipe": recipe, "steps": chosen.trainer.steps})
    else:
        typer.echo(f"checkpoint: {checkpoint}")
