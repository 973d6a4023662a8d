"""The spaces in which a clip may be unlike all training clips: the network's, and those of the frozen towers.

Shape letters: N clips, T of them, D embedding size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.active.vectors import Float32, highest
from engines.bundle import Bundle
from engines.data.public.manifest import Row, read_rows
from engines.evaluation.selection.arena import compressed, unit
from engines.evaluation.selection.composed import SIZES
from engines.learn.stored import judge_stored
from engines.models.fusion import KNOWN_CLIPS
from engines.training.clip_views import clip_views
from engines.training.known import representatives

Mask = NDArray[np.bool_]

VERDICT, PICTURES, SOUNDS = "verdict", "pictures", "sounds"
#: The view of `clip_views` that a space is made of.
VIEWS = {PICTURES: "vision", SOUNDS: "audio"}


@dataclass(frozen=True)
class Space:
    """Unit-norm embeddings of clips; kept: how many training clips a distance is taken to, chosen as a network does.

    None: to all of them. said_N: what the bundle itself says of novelty, where it does, with nothing held out.
    """

    name: str
    embedding_ND: Float32
    kept: int | None = None
    said_N: Float32 | None = None

    def novelty(self, of_N: Mask, known_N: Mask) -> Float32:
        """Cosine distance of the clips `of_N` to the nearest that is kept of `known_N`, in [0, 2], float32 (T,)."""
        known_MD = self.embedding_ND[known_N]
        if self.kept is not None:
            known_MD = representatives(known_MD, self.kept)
        return 1 - highest(self.embedding_ND[of_N], known_MD)[0]


@dataclass(frozen=True)
class Clips:
    """Rows of training, validation and test that the bundle was made with, and the test clips it was not."""

    rows: tuple[Row, ...]
    spaces: tuple[Space, ...]
    learnt_without: frozenset[str]

    def of_split(self, split: str) -> Mask:
        """Bool (N,)."""
        return np.array([row.split == split for row in self.rows])

    @property
    def strange(self) -> Mask:
        """Bool (N,): made of a kind of source that the bundle has not learnt from."""
        return np.array([not row.kinds.isdisjoint(self.learnt_without) for row in self.rows])

    def have(self, sense: str, thing: str) -> Mask:
        """Bool (N,): sense: `seen` or `heard`."""
        return np.array([any(span.thing == thing for span in getattr(row, sense)) for row in self.rows])


def open_clips(bundle: Bundle, features: Path, words: Path, on_batch: Callable[[], None]) -> Clips:
    """Judge all through the bundle's own graphs. Raises `ValueError` when a folder is not whole or of other towers."""
    every, places, without = chosen(bundle, features)
    rows = tuple(every[place] for place in places)
    said = judge_stored(bundle, features, places, on_batch)
    train_N = np.array([row.split == "train" for row in rows])
    views = clip_views(features, words, every)
    spaces = [Space(VERDICT, said.embedding_ND, KNOWN_CLIPS, said.novelty_N)]
    for name, view in VIEWS.items():
        of_clips = views[view][places]
        spaces.append(Space(name, unit(compressed(of_clips[train_N], of_clips, SIZES[view])[1])))
    return Clips(rows, tuple(spaces), without)


def chosen(bundle: Bundle, features: Path) -> tuple[Sequence[Row], list[int], frozenset[str]]:
    """All rows; places of those that are looked at; the kinds of sources that the bundle has not learnt from."""
    rows = read_rows(features)
    without = frozenset(bundle.training.get("data", {}).get("without", ()))
    return rows, [n for n, row in enumerate(rows) if row.split == "test" or row.kinds.isdisjoint(without)], without
