"""Three streams whose source changes, of public titles and of the composed benchmark.

Shape letters: N clips, V size of a view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.active.vectors import Float32
from engines.data.public.manifest import read_rows
from engines.evaluation.selection import titles
from engines.evaluation.selection.arena import Arena, compressed, unit
from engines.evaluation.selection.composed import SIZES
from engines.evaluation.selection.drift import Stream
from engines.training.clip_views import clip_views, sound_view

TITLES, SOUND, KINDS = "headlines, then YouTube", "clean, then rough sound", "heard, then seen"
#: Of sensational titles; composed clips have their own rate, 14 to 15 %.
TITLE_RATE = 0.117
#: Sound after a rough journey: of training clips at 0 to 25 dB, narrow or clipped (`engines.training.channel`), of test
#: clips in the middle of that.
ROUGH = ("augmented_0", "noise_10db")

Mask = NDArray[np.bool_]
Views = Mapping[str, Float32]


def title_stream(data: Path, cache: Path, advance: Callable[[], object]) -> Stream:
    """As of `titles.shift`, positives thinned."""
    rng = np.random.default_rng(0)
    before, after = (arena.at_rate(TITLE_RATE, rng) for arena in titles.shift(data, cache, advance))
    return Stream(TITLES, before, after)


def composed_streams(features: Path, words: Path) -> list[Stream]:
    """Of the task `adult`, half of the training clips before the shift and half after it.

    The sound becomes rough; or clips that were restricted by what is heard give way to those by what is seen. All in
    one space: the main directions of the first half as uploaded, which is all that was known. Raises `ValueError` when
    a folder is not whole.
    """
    rows = read_rows(features)
    split_N = np.array([row.split for row in rows])
    known_N, later_N = np.zeros((2, len(rows)), np.bool_)
    known_N[np.flatnonzero(split_N == "train")[::2]] = True
    later_N[np.flatnonzero(split_N == "train")[1::2]] = True
    test_N = split_N == "test"
    clean, rough = _in_one_space(features, words, known_N)
    restricted_N = np.array([row.labels.adult == 1 for row in rows])
    seen_N = np.array([any(span.modality == "vision" for span in row.spans) for row in rows])
    heard_kind_N, seen_kind_N = ~(restricted_N & seen_N), ~(restricted_N & ~seen_N)

    def arena(name: str, views: Views, pool_N: Mask, held_N: Mask) -> Arena:
        beside_NF = np.concatenate(list(views.values()), axis=1)
        feature_NF, feature_TF = beside_NF[pool_N], beside_NF[held_N]
        single = {name: unit(view[pool_N]) for name, view in views.items()}
        label_N = restricted_N.astype(np.float32)
        return Arena(
            name,
            feature_NF,
            feature_TF,
            unit(feature_NF),
            single,
            label_N[pool_N],
            label_N[held_N],
            widths=tuple(view.shape[1] for view in views.values()),
        )

    return [
        Stream(SOUND, arena("clean", clean, known_N, test_N), arena("rough", rough, later_N, test_N)),
        Stream(
            KINDS,
            arena("heard", clean, known_N & heard_kind_N, test_N & heard_kind_N),
            arena("seen", clean, later_N & seen_kind_N, test_N & seen_kind_N),
        ),
    ]


def _in_one_space(features: Path, words: Path, known_N: Mask) -> tuple[Views, Views]:
    """Views of all clips as uploaded, and with rough sound."""
    uploaded = clip_views(features, words, read_rows(features))
    changed = {**uploaded, "audio": sound_view(features, ROUGH)}
    clean, rough = {}, {}
    for name, size in SIZES.items():
        both_MV = np.concatenate([uploaded[name], changed[name]])
        clean[name], rough[name] = np.split(compressed(uploaded[name][known_N], both_MV, size)[1], 2)
    return clean, rough
