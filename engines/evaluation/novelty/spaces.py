"""The ways to say how unlike all training clips a clip is: what verdicts say, the network's embedding, frozen towers.

Shape letters: N clips, T of them, D embedding size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engines.active.vectors import Float32, highest
from engines.bundle import Bundle
from engines.data.public.manifest import Row, read_rows
from engines.evaluation.selection.arena import compressed, unit
from engines.evaluation.selection.composed import SIZES
from engines.known import Known, Sense, fitted, joined
from engines.learn.remember import learnt_without
from engines.learn.stored import judge_stored
from engines.training.clip_views import clip_views

Mask = NDArray[np.bool_]

VERDICT, NETWORK, PICTURES, SOUNDS = "verdict", "network", "pictures", "sounds"
#: What a verdict says by one modality alone.
BY = {"vision": "verdict, seen", "audio": "verdict, heard"}
#: The view of `clip_views` that a space of frozen towers is made of.
VIEWS = {PICTURES: "vision", SOUNDS: "audio"}


class Space(Protocol):
    """One way."""

    @property
    def name(self) -> str:
        """One of `VERDICT`, `BY`, `NETWORK`, `PICTURES` and `SOUNDS`."""

    @property
    def is_share(self) -> bool:
        """Whether thresholds are the shares themselves."""

    def novelty(self, of_N: Mask, kept_N: Mask) -> Float32:
        """Of the clips `of_N` when of the training and validation clips only `kept_N` are there, float32 (T,)."""

    def said(self, of_N: Mask) -> Float32:
        """Of the clips `of_N` with nothing held out, float32 (T,)."""


@dataclass(frozen=True)
class Distances:
    """Cosine distance to the nearest training clip, in [0, 2]. embedding_ND: unit norm."""

    name: str
    embedding_ND: Float32
    train_N: Mask
    is_share: bool = False

    def novelty(self, of_N: Mask, kept_N: Mask) -> Float32:
        """As of `Space`."""
        return 1 - highest(self.embedding_ND[of_N], self.embedding_ND[kept_N & self.train_N])[0]

    def said(self, of_N: Mask) -> Float32:
        """As of `Space`."""
        return self.novelty(of_N, self.train_N)


class Senses:
    """What a bundle would say of each sense if it had been made with other training clips.

    pooled: modality -> float32 (N, D), NaN where a clip lacks it. train_N, held_N: training and validation clips.
    known: what the bundle keeps.
    """

    def __init__(self, pooled: Mapping[str, Float32], train_N: Mask, held_N: Mask, known: Known) -> None:
        self.known, self._pooled, self._train_N, self._held_N = known, pooled, train_N, held_N
        self._last: tuple[bytes, dict[str, Float32]] = b"", {}

    def of(self, known: Known) -> Senses:
        """The same clips and another bundle's."""
        return Senses(self._pooled, self._train_N, self._held_N, known)

    def without(self, of_N: Mask, kept_N: Mask) -> dict[str, Float32]:
        """As of `told`, of the clips that are kept alone. The last answer is remembered: several spaces ask for it."""
        asked = of_N.tobytes() + kept_N.tobytes()
        if self._last[0] != asked:
            self._last = asked, self.told({name: self._fitted(name, kept_N) for name in self._pooled}, of_N)
        return self._last[1]

    def told(self, senses: Mapping[str, Sense], of_N: Mask) -> dict[str, Float32]:
        """Modality -> float32 (T,) in [0, 1), NaN where a clip lacks it."""
        found = {}
        for name, pooled_ND in self._pooled.items():
            pooled_TD = pooled_ND[of_N]
            there_T = ~np.isnan(pooled_TD[:, 0])
            found[name] = np.full(len(pooled_TD), np.nan, np.float32)
            found[name][there_T] = senses[name].novelty(pooled_TD[there_T])
        return found

    def _fitted(self, name: str, kept_N: Mask) -> Sense:
        pooled_ND = self._pooled[name]
        there_N = kept_N & ~np.isnan(pooled_ND[:, 0])
        return fitted(pooled_ND[self._train_N & there_N], pooled_ND[self._held_N & there_N])


@dataclass(frozen=True)
class Shares:
    """What verdicts say by some modalities together; 0 of a clip that lacks them all."""

    name: str
    modalities: tuple[str, ...]
    senses: Senses
    is_share: bool = True

    def novelty(self, of_N: Mask, kept_N: Mask) -> Float32:
        """As of `Space`; made anew from the clips that are kept, as the bundle's was."""
        return self._joined(self.senses.without(of_N, kept_N))

    def said(self, of_N: Mask) -> Float32:
        """As of `Space`: by what the bundle keeps."""
        return self._joined(self.senses.told(self.senses.known.senses, of_N))

    def _joined(self, by: Mapping[str, Float32]) -> Float32:
        cases = zip(*(by[name].tolist() for name in self.modalities), strict=True)
        return np.array([joined([one for one in case if not np.isnan(one)]) or 0.0 for case in cases], np.float32)


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


def open_clips(bundle: Bundle, features: Path, words: Path | None, on_batch: Callable[[], None]) -> Clips:
    """Judge all through the bundle's own graphs. words None: without the spaces of frozen towers.

    Raises `ValueError` when a folder is not whole or of other towers, or the bundle keeps no clips to tell new ones by.
    """
    if bundle.known is None:
        raise ValueError(f"bundle {bundle.path}: keeps no clips to tell new ones by; make it so by `earshot remember`")
    every, places, without = chosen(bundle, features)
    rows = tuple(every[place] for place in places)
    said = judge_stored(bundle, features, places, on_batch)
    train_N, held_N = (np.array([row.split == split for row in rows]) for split in ("train", "val"))
    pooled = {name: said.pooled[name] for name in bundle.known.senses}
    senses = Senses(pooled, train_N, held_N, bundle.known)
    spaces: list[Space] = [Shares(VERDICT, tuple(pooled), senses)]
    spaces += [Shares(BY[name], (name,), senses) for name in pooled]
    spaces.append(Distances(NETWORK, said.embedding_ND, train_N))
    views = {} if words is None else clip_views(features, words, every)
    for name, view in VIEWS.items() if views else ():
        of_clips = views[view][places]
        spaces.append(Distances(name, unit(compressed(of_clips[train_N], of_clips, SIZES[view])[1]), train_N))
    return Clips(rows, tuple(spaces), without)


def chosen(bundle: Bundle, features: Path) -> tuple[Sequence[Row], list[int], frozenset[str]]:
    """All rows; places of those that are looked at; the kinds of sources that the bundle has not learnt from."""
    rows = read_rows(features)
    without = frozenset(learnt_without(bundle))
    return rows, [n for n, row in enumerate(rows) if row.split == "test" or row.kinds.isdisjoint(without)], without
