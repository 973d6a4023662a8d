"""From a bundle and folders of features and words to a page on novelty."""

from __future__ import annotations

from pathlib import Path

from engines.bundle import Bundle
from engines.data.public.manifest import read_dataset
from engines.evaluation.compare import Progress
from engines.evaluation.novelty.measure import candidates, measured, resampling_of
from engines.evaluation.novelty.page import Results, write_report
from engines.evaluation.novelty.spaces import chosen, open_clips
from engines.learn.stored import batches


def study(
    bundle: Bundle, features: Path, words: Path | None, out: Path, *, replicates: int, command: str, progress: Progress
) -> tuple[Results, list[Path]]:
    """Measure, and write the page into `out`; returns the results and the files.

    Raises `ValueError` when a folder is not whole, or the features are of other towers than the bundle's.
    """
    _, places, _ = chosen(bundle, features)
    with progress("clips", batches(len(places))) as advance:
        clips = open_clips(bundle, features, words, advance)
    with progress("novelty", len(candidates(clips))) as advance:
        novelty = measured(clips, resampling_of(clips, replicates), advance)
    lineage = {"command": command, "bundle": bundle.id, "data": read_dataset(features).sha256}
    results = Results({**lineage, "replicates": replicates}, novelty)
    return results, write_report(results, out)
