"""`earshot learn`: labels -> a trained, exported, verified and compared candidate in a registry."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from engines.learn.run import Candidate
    from engines.training.recipes import StarterRecipe

#: To train on: 480 labelled clips teach a new network next to nothing (docs/learn.md).
FEW_CLIPS = 1_000

RegistryOption = Annotated[Path, typer.Option(help="Folder of candidates, history and the current bundle.")]


GateOption = Annotated[Path, typer.Option(help="The frozen gate set: `earshot dataset gate`.", exists=True)]
LabelsOption = Annotated[
    Path | None, typer.Option(help="What `earshot label merge` wrote. None: labels of the rows alone.", exists=True)
]
StartOption = Annotated[
    str | None, typer.Option(help="Checkpoint to go on from; starter: the shipped one. None: from scratch.")
]
LeaveOutOption = Annotated[
    bool, typer.Option("--leave-out", help="Train without clips that give gate clips away, instead of refusing.")
]
PseudoOption = Annotated[
    bool, typer.Option("--pseudo", help="Also train on sure guesses of the current bundle; docs/learn.md.")
]


def learn(
    data: Annotated[Path, typer.Argument(help="Features with rows, or a dataset folder of videos.", exists=True)],
    gate: GateOption,
    words: WordsOption = SHIPPED_WORDS,
    registry: RegistryOption = Path("registry"),
    labels: LabelsOption = None,
    start: StartOption = None,
    baseline: Annotated[str, typer.Option(help="The first current bundle of a new registry.")] = "starter",
    without: Annotated[list[str] | None, typer.Option(help="Sources to train without: sesa.")] = None,
    leave_out: LeaveOutOption = False,
    pseudo: PseudoOption = False,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's number.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the recipe's.")] = None,
    parity_batches: Annotated[int, typer.Option(min=1, help="Random batches per graph of the parity check.")] = 20,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads. None: one per core.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train on what people labelled, and measure the result on the gate against the current bundle.

    Nothing is promoted: `earshot bundle promote` is a person's command. The same command again goes on where it was
    interrupted. Example: earshot learn out/features --gate gate.json --labels values.jsonl --start starter
    """
    need_training_packages()
    from engines.learn.pseudo import PseudoOptions
    from engines.learn.run import Order
    from engines.learn.run import learn as run
    from engines.training.bundle_words import words_folder
    from engines.training.threads import use_threads
    from engines.training.trained import start_of

    use_threads(threads)
    with errors_told():
        order = Order(
            features=_features(data, registry),
            words=words_folder(words),
            gate=gate,
            registry=registry,
            recipe=_recipe(epochs, seed, is_tuned=start is not None),
            labels=labels,
            start=None if start is None else start_of(start),
            without=tuple(without or ()),
            leave_out=leave_out,
            pseudo=PseudoOptions() if pseudo else None,
            baseline=baseline,
            parity_batches=parity_batches,
        )
        made = run(order, datetime.now(UTC).isoformat(timespec="seconds"), progress)
    _tell(made, registry, as_json=as_json)


def _recipe(epochs: int | None, seed: int | None, *, is_tuned: bool) -> StarterRecipe:
    from engines.training.recipes import STARTER, TUNED

    recipe = TUNED if is_tuned else STARTER
    tune = replace(recipe.tune, epochs=epochs or recipe.tune.epochs)
    return replace(recipe, name="learnt", tune=tune, seed=recipe.seed if seed is None else seed)


def _features(data: Path, registry: Path) -> Path:
    """The folder of features itself, or one that is made of a dataset's videos; half made, it is continued."""
    from engines.data.public.manifest import read_dataset
    from engines.training.extract import Extractor, keep_freed_memory
    from engines.training.features import HEADER
    from engines.training.recipes import STARTER_PREPROCESSING
    from engines.training.towers import starter_towers

    if (data / HEADER).exists():
        return data
    out = registry / "features" / read_dataset(data).sha256[:12]
    keep_freed_memory()
    extractor = Extractor(data, out, starter_towers(), STARTER_PREPROCESSING)
    with progress("features", extractor.shards) as advance:
        rejected = extractor.run(advance)
    if rejected:
        typer.echo(f"earshot: {len(rejected)} clips could not be decoded: {' '.join(rejected[:5])}", err=True)
    return out


def _tell(made: Candidate, registry: Path, *, as_json: bool) -> None:
    from engines.learn.promote import reasons_against
    from engines.learn.registry import Registry

    with errors_told():
        reasons = reasons_against(Registry(registry), made.folder, made.report)
    if as_json:
        print_json(
            {"candidate": made.folder.name, "folder": str(made.folder), "against": reasons, "report": made.report}
        )
        return
    for line in made.report.lines:
        if line.is_whole:
            typer.echo(
                f"{line.slice:<10} {line.metric:<8} current {line.current:.3f}, candidate {line.candidate:.3f}, "
                f"{line.difference:+.3f} ({line.low:+.3f} to {line.high:+.3f})"
            )
    learnt = made.report.learnt
    if learnt.lineage["start"] is None and learnt.clips["train"] < FEW_CLIPS:
        typer.echo(
            f"{learnt.clips['train']} clips teach little from scratch; --start starter goes on from the shipped network"
        )
    for reason in reasons:
        typer.echo(f"speaks against it: {reason}")
    if made.report.refused:
        typer.echo(f"earshot: {len(made.report.refused)} labels were refused, listed in the report", err=True)
    typer.echo(f"candidate {made.folder.name}; {made.folder / 'report.html'}")
    typer.echo(f"earshot bundle promote {made.folder.name} --registry {registry}")
