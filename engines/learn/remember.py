"""A bundle and the features it was trained on -> the same bundle with the clips that it tells new videos by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from engines.bundle import Bundle, read_manifest, save_manifest
from engines.data.public.manifest import Row, read_rows
from engines.known import Float32, Known, known_of
from engines.learn.stored import Said, judge_stored
from engines.manifest import KNOWN, Manifest
from engines.rewriting import rewriting


def places_of(features: Path, without: Sequence[str]) -> tuple[list[Row], list[int]]:
    """All rows, and the places of those of training and validation that have no source of these kinds."""
    rows = read_rows(features)
    kept = [row.split != "test" and row.kinds.isdisjoint(without) for row in rows]
    return rows, [int(place) for place in np.flatnonzero(kept)]


def learnt_without(bundle: Bundle) -> tuple[str, ...]:
    """The kinds of sources that the bundle was not trained on."""
    return tuple(bundle.training.get("data", {}).get("without", ()))


def knowledge(rows: Sequence[Row], said: Said) -> Known:
    """Of training and validation rows, and what a bundle says of them. Raises `TooFewClipsError`."""

    def of(split: str) -> dict[str, Float32]:
        chosen_N = np.array([row.split == split for row in rows])
        return {name: pooled_ND[chosen_N & ~np.isnan(pooled_ND[:, 0])] for name, pooled_ND in said.pooled.items()}

    return known_of(of("train"), of("val"))


def remember(
    source: Path, features: Path, out: Path, on_start: Callable[[int], Callable[[], None]] = lambda _: lambda: None
) -> Manifest:
    """Write the bundle with its known clips into `out`; graphs, calibration and thresholds stay as they are.

    `on_start` is told how many clips there are, and gives what is called after each `stored.BATCH` of them. Raises
    `ValueError` when the features are of other towers than the bundle's or of too few clips.
    """
    bundle, manifest = Bundle.load(source), read_manifest(source)
    rows, places = places_of(features, learnt_without(bundle))
    if not places:
        raise ValueError(f"{features}: came no clips to train on or to validate with, expected some of both")
    known = knowledge([rows[place] for place in places], judge_stored(bundle, features, places, on_start(len(places))))
    with rewriting(source, out) as folder:
        known.save(folder / KNOWN)
        save_manifest(folder, msgspec.structs.replace(manifest, known=tuple(known.senses)), bundle.classes)
    return read_manifest(out)
