"""`earshot remember`: a bundle and the features it was trained on -> the same bundle, which can tell what is new."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import BundleArgument, JsonOption, errors_told, need_training_packages, print_json, progress


def remember(
    bundle: BundleArgument,
    features: Annotated[Path, typer.Option(help="Folder of features it was trained on: `earshot dataset features`.")],
    out: Annotated[Path, typer.Option(help="Folder of the new bundle; files of an older one are replaced.")],
    as_json: JsonOption = False,
) -> None:
    """Keep what pictures and sounds of the training clips are like, so that verdicts say how new a video is.

    Validation clips say how far off an ordinary clip is. The graphs stay as they are, and so does every score:
    earshot remember starter --features out/features --out bundles/mine
    """
    need_training_packages()
    from engines.bundle import find
    from engines.learn.remember import remember as remembered
    from engines.learn.stored import batches

    with errors_told(), ExitStack() as bars:

        def start(clips: int) -> Callable[[], None]:
            return bars.enter_context(progress("clips", batches(clips)))

        manifest = remembered(find(bundle), features, out, start)
    if as_json:
        print_json({"bundle": str(out), "id": manifest.id, "known": manifest.known})
        return
    typer.echo(f"bundle {manifest.id} in {out} knows the training clips' {' and '.join(manifest.known)}")
