"""`earshot dataset features`: videos -> what the frozen towers make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import JsonOption, errors_told, need_training_packages, print_json, progress
from engines.privacy import AudioPrivacy


def features(
    dataset: Annotated[Path, typer.Argument(help="Folder with manifest.jsonl, dataset.json and the clips.")],
    out: Annotated[Path, typer.Option(help="Folder for the features; one that is half made is continued.")],
    towers: Annotated[str, typer.Option(help="Whose towers.")] = "starter",
    augment: Annotated[int, typer.Option(min=0, help="Augmented versions of the sound of training clips.")] = 0,
    noisy: Annotated[bool, typer.Option(help="Also the sound of test clips in noise of 20, 10 and 0 dB.")] = False,
    audio_privacy: Annotated[
        AudioPrivacy, typer.Option(help="What is stored of sound: everything, class scores, or no voices.")
    ] = AudioPrivacy.NONE,
    hearing: Annotated[
        Path | None,
        typer.Option(help="Folder of tuned hearing: what `earshot hearing` wrote. None: YAMNet as published."),
    ] = None,
    seen_in: Annotated[
        Path | None, typer.Option(help="Features of the same data set with another hearing: frames are taken over.")
    ] = None,
    part: Annotated[int, typer.Option(min=0, help="Make every PARTS-th shard, from this one on.")] = 0,
    parts: Annotated[int, typer.Option(min=1, help="How many processes share the work.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads. None: one per core.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Decode every clip as the stream does, run the frozen towers, and store the features for training."""
    need_training_packages()
    from engines.training.extract import Extractor, keep_freed_memory
    from engines.training.features import HEARING
    from engines.training.recipes import STARTER_PREPROCESSING
    from engines.training.threads import use_threads
    from engines.training.towers import starter_towers

    if towers != "starter":
        raise typer.BadParameter(f"came towers {towers!r}, expected 'starter'")
    if part >= parts:
        raise typer.BadParameter(f"came part {part} of {parts}, expected 0 to {parts - 1}")
    use_threads(threads)
    keep_freed_memory()
    with errors_told():
        chosen = starter_towers(audio_privacy, None if hearing is None else hearing / HEARING)
        sizes = STARTER_PREPROCESSING
        extractor = Extractor(dataset, out, chosen, sizes, copies=augment, noisy=noisy, seen_in=seen_in)
        with progress("features", len(range(part, extractor.shards, parts))) as advance:
            rejected = extractor.run(advance, part=part, parts=parts)
    if as_json:
        print_json({"folder": str(out), "rejected": rejected})
    else:
        typer.echo(f"features of {dataset} in {out}; {len(rejected)} clips could not be decoded {' '.join(rejected)}")
