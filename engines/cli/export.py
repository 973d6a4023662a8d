"""`earshot export`: a checkpoint -> a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import JsonOption, errors_told, need_training_packages, print_json


def export(
    checkpoint: Annotated[Path, typer.Argument(help="What `earshot train` wrote.", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option(help="Folder of the bundle; files of an older one are replaced.")],
    exact: Annotated[bool, typer.Option(help="Weights in float32: to compare others with.")] = False,
    trained: Annotated[
        Path | None,
        typer.Option(metavar="FILE.safetensors", help="Also what was trained, without towers: for `learn --start`."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Export the four ONNX graphs with tokenizer, calibration and manifest."""
    need_training_packages()
    from engines.export import export_bundle
    from engines.training.checkpoint import load_starter
    from engines.training.trained import save_trained

    with errors_told():
        bundle_id = export_bundle(checkpoint, out, exact=exact)
        if trained is not None:
            save_trained(trained, *load_starter(checkpoint))
    size_bytes = sum(path.stat().st_size for path in out.iterdir())
    if as_json:
        print_json({"bundle": str(out), "id": bundle_id, "size_bytes": size_bytes})
    else:
        typer.echo(f"bundle {bundle_id} in {out}, {size_bytes:,} bytes")
