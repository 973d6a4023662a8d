"""The composed benchmark as an arena: what frozen towers make of pictures, sound and title, side by side.

The towers know no label of ours, so a kind that is new to the head is new to the embedding too; the shipped fusion
network was trained on these very labels and would give the new kind away.

Shape letters: N clips, V size of a view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from engines.data.public.manifest import Row, read_rows
from engines.evaluation.selection.arena import Arena, Kind, compressed, unit
from engines.training.clip_views import clip_views

#: Values that are kept of each view.
SIZES: Mapping[str, int] = {"vision": 96, "audio": 96, "text": 48}

#: Kinds of restricted clips by what is seen or heard of them.
RESTRICTED = {
    "gun seen": ("revolver", "cannon"),
    "animal seen": ("crocodile", "scorpion"),
    "gunshot heard": ("gunshot",),
    "explosion heard": ("explosion",),
    "long number spoken": ("digits",),
}
#: Kinds of clickbait that only title and sound together show: what the title promises, and nobody hears.
UNHEARD = {"baby promised, not heard": ("baby",), "sea or rain promised, not heard": ("sea", "rain")}


def arenas(features: Path, words: Path) -> dict[str, Arena]:
    """Of the tasks `adult` and `clickbait`; the pool is the train split, the test the test split.

    Raises `ValueError` when a folder is not whole.
    """
    rows = read_rows(features)
    views = clip_views(features, words, rows)
    pool, test = (np.array([n for n, row in enumerate(rows) if row.split == split]) for split in ("train", "test"))
    pairs = {name: compressed(views[name][pool], views[name][test], size) for name, size in SIZES.items()}
    feature_NF, feature_TF = (np.concatenate([pairs[name][side] for name in SIZES], axis=1) for side in (0, 1))

    def arena(task: str, kinds: Mapping[str, Sequence[str]], has: Callable[[Row, Sequence[str]], bool]) -> Arena:
        label_M = np.array([getattr(row.labels, task) for row in rows], np.float32)
        of_kind = {
            name: np.array([has(row, things) for row in rows]) & (label_M == 1) for name, things in kinds.items()
        }
        return Arena(
            name=task,
            feature_NF=feature_NF,
            feature_TF=feature_TF,
            embedding_ND=unit(feature_NF),
            views={name: unit(pairs[name][0]) for name in SIZES},
            label_N=label_M[pool],
            label_T=label_M[test],
            kinds=tuple(Kind(name, of_M[pool], of_M[test]) for name, of_M in of_kind.items()),
            widths=tuple(SIZES.values()),
        )

    def shows(row: Row, things: Sequence[str]) -> bool:
        return any(span.thing in things for span in row.spans)

    def promises(row: Row, topics: Sequence[str]) -> bool:
        return row.title_topic in topics

    return {"adult": arena("adult", RESTRICTED, shows), "clickbait": arena("clickbait", UNHEARD, promises)}
