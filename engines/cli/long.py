"""`earshot evaluate long`: what becomes of verdicts when videos are long?"""

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


def long(
    bundle: BundleArgument,
    features: Annotated[Path, typer.Option(help="Folder of features, made by `earshot dataset features`.")],
    out: Annotated[Path, typer.Option(help="Folder for the page and results.json; older ones are replaced.")],
    draws: Annotated[int, typer.Option(min=2, help="Of 200 videos of each length.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Put test clips after each other, up to 128 s of them: is what one of them shows or says still found?

    By length, and by how often the bundle looks.
    """
    need_training_packages()
    from engines.bundle import Bundle
    from engines.evaluation.long.page import study

    with errors_told():
        results, files = study(
            Bundle.load(bundle),
            features,
            out,
            draws=draws,
            command=(
                f"earshot evaluate long {bundle} --features {shown_path(features)} --out {shown_path(out)} "
                f"--draws {draws}"
            ),
            progress=progress,
        )
    if as_json:
        print_json(results)
        return
    for one in results.looked:
        told = f"restricted AUC {one.adult_auc.value:.3f}, found {one.found.value:.1%}, called {one.flagged.value:.1%}"
        others = f"clickbait AUC {one.clickbait_auc.value:.3f}, relevance {one.relevance.value:.3f}"
        typer.echo(f"{one.seconds:>4.0f} s  {one.looks:>2} looks  {told}, {others}")
    typer.echo(f"written: {', '.join(str(path) for path in files)}")
