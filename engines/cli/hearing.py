"""`earshot hearing`: the last layers of YAMNet, tuned to clips in which several things sound at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import JsonOption, errors_told, need_training_packages, print_json, progress


def hearing(
    dataset: Annotated[Path, typer.Argument(help="Folder of a data set whose rows say what is heard: a composed one.")],
    out: Annotated[Path, typer.Option(help="Folder for hearing.safetensors and hearing.json, and maps of sound.")],
    without: Annotated[
        list[str] | None, typer.Option(help="Learn from no clip that holds a source of this kind, e.g. sesa.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the clips.")] = None,
    seed: Annotated[int, typer.Option(help="Of the order of clips and of what is hidden of them.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads. None: one per core.")] = None,
    json: JsonOption = False,
) -> None:
    """Tune the last layers of YAMNet, so that a shot in rain is still heard; give the folder to `dataset features`.

    The first run decodes all training and validation clips and keeps their maps of sound below --out, for later runs:
    25 kB a window, of training clips twice; of the composed benchmark 1.4 GB.
    """
    need_training_packages()
    from dataclasses import replace

    from engines.training.extract import keep_freed_memory
    from engines.training.features import HEARING
    from engines.training.hearing import HearingOptions
    from engines.training.hearing_run import learn_to_hear, map_extractor
    from engines.training.threads import use_threads

    use_threads(threads)
    keep_freed_memory()
    options = HearingOptions(seed=seed)
    options = options if epochs is None else replace(options, epochs=epochs)
    with errors_told():
        extractor = map_extractor(dataset, out)
        with progress("maps of sound", extractor.shards) as advance:
            rejected = extractor.run(advance)
        with progress("tune", 2 * options.epochs) as advance:
            report = learn_to_hear(out, options, without=without or (), on_epoch=advance)
    if rejected:
        typer.echo(f"earshot: {len(rejected)} clips could not be decoded: {' '.join(rejected[:5])}", err=True)
    if json:
        print_json(report)
    else:
        typer.echo(f"{out / HEARING}: told apart on validation clips, mean area under the ROC curve by epoch:")
        typer.echo(f"  {report['area_under_roc']}")
