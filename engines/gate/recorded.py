"""Recorded inputs: clips and their words, decoded once for both sides and handed on in batches of several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engines.data.clips import Clip
from engines.data.decoding import decoded
from engines.data.feeds import spread
from engines.data.public.manifest import Row
from engines.manifest import Preprocessing
from engines.scoring import BATCH


@dataclass(frozen=True, slots=True)
class Recorded:
    """One input: what is perceived of a clip, and its words. `varied`: how it differs from what was recorded."""

    clip: Clip
    row: Row
    varied: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recording:
    """`count` inputs, and in words where they come from. Iterating again gives the same ones again."""

    source: str
    count: int
    inputs: Iterable[Recorded]


@dataclass(frozen=True)
class FolderInputs:
    """The clips of a folder; one that cannot be decoded is judged by its words."""

    folder: Path
    rows: Sequence[Row]
    sizes: Preprocessing

    def __iter__(self) -> Iterator[Recorded]:
        clips = decoded(self.folder, self.rows, self.sizes)
        yield from (Recorded(clip, row) for clip, row in zip(clips, self.rows, strict=True))


def of_folder(folder: Path, rows: Sequence[Row], sizes: Preprocessing, *, inputs: int | None) -> Recording:
    """The clips of these rows; where there are more than `inputs`, so many that lie evenly among them.

    Raises `ValueError` when there are none.
    """
    if not rows:
        raise ValueError(f"{folder}: came no clips to compare on, expected some; --split chooses which")
    chosen = spread(rows, inputs or len(rows))
    return Recording(f"clips of {folder}", len(chosen), FolderInputs(folder, chosen, sizes))


def in_batches(inputs: Iterable[Recorded], seed: int) -> Iterator[list[Recorded]]:
    """Batches of 1 to `BATCH` inputs, in order: engines meet as many sizes as in the stream."""
    rng = np.random.default_rng(seed)
    batch: list[Recorded] = []
    size = int(rng.integers(1, BATCH + 1))
    for one in inputs:
        batch.append(one)
        if len(batch) == size:
            yield batch
            batch, size = [], int(rng.integers(1, BATCH + 1))
    if batch:
        yield batch
