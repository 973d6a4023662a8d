"""`earshot evaluate novelty`: is what is new told from what is known?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import (
    BundleArgument,
    JsonOption,
    errors_told,
    need_training_packages,
    print_json,
    progress,
    shown_path,
)


def novelty(
    bundle: BundleArgument,
    features: Annotated[Path, typer.Option(help="Folder of features, made by `earshot dataset features`.")],
    out: Annotated[Path, typer.Option(help="Folder for the page and results.json; older ones are replaced.")],
    words: Annotated[
        Path | None, typer.Option(help="Folder with words.safetensors; measures frozen towers as well, in minutes.")
    ] = None,
    replicates: Annotated[int, typer.Option(min=2, help="Of the bootstrap over sources for intervals.")] = 300,
    as_json: JsonOption = False,
) -> None:
    """Hold things out of the training clips that novelty is measured to, one by one: are test clips with them far off?

    Also how many known test clips verdicts call new where they say 0.99 and 0.95, and what a distance is worth that
    1 % and 5 % of the validation clips reach.
    """
    need_training_packages()
    from engines.bundle import Bundle
    from engines.evaluation.novelty.run import study

    with errors_told():
        places = f"--features {shown_path(features)} --out {shown_path(out)}"
        towers = f" --words {shown_path(words)}" if words else ""
        results, files = study(
            Bundle.load(bundle),
            features,
            words,
            out,
            replicates=replicates,
            command=f"earshot evaluate novelty {bundle} {places}{towers} --replicates {replicates}",
            progress=progress,
        )
    if as_json:
        print_json(results)
        return
    for one in results.novelty.thresholds:
        called = f"{one.alarms.value:.2%} of {one.clips} known test clips"
        typer.echo(f"{one.space:<14} from {one.distance:.3f} on: {called}")
    for two in results.novelty.groups:
        told = f"AUC {two.auc.value:.3f} ({two.auc.low:.3f} to {two.auc.high:.3f})"
        typer.echo(f"{two.space:<14} {two.group:<38} {two.things:>3} things  {told}")
    typer.echo(f"written: {', '.join(str(path) for path in files)}")
