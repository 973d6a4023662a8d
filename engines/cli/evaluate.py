"""`earshot evaluate`: how right a bundle is on clips of known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import BundleArgument, JsonOption, errors_told, print_json, progress


def evaluate(
    bundle: BundleArgument,
    data: Annotated[Path, typer.Option(help="Folder with truth.jsonl and one safetensors file per clip.")],
    as_json: JsonOption = False,
) -> None:
    """Average precision per task and per sense that decides, with sound and with every sound track masked."""
    from engines.bundle import Bundle
    from engines.data.clips import read_clips
    from engines.data.world import read_truths
    from engines.engine_set import open_engines
    from engines.evaluation.world import evaluate as measure

    with errors_told():
        loaded = Bundle.load(bundle)
        sizes = loaded.preprocessing
        truths = read_truths(data)
        clips = read_clips(data, truths, frame_pixels=sizes.frame_pixels, window_samples=sizes.window_samples)
        with open_engines(loaded) as engines, progress("evaluate", len(clips)) as advance:
            qualities = measure(engines, loaded, clips, truths, on_clip=advance)
    if as_json:
        print_json({"bundle": loaded.id, "clips": len(clips), "qualities": qualities})
        return
    typer.echo(f"{'task':<10} {'decided by':<10} {'clips':>5} {'chance':>6} {'AP':>6} {'AP without sound':>16}")
    for item in qualities:
        typer.echo(
            f"{item.task:<10} {item.slice:<10} {item.clips:>5} {item.positives / item.clips:>6.3f} "
            f"{item.average_precision:>6.3f} {item.average_precision_without_audio:>16.3f}"
        )
