"""In which senses do labelled videos differ? Found by cross-validation of heads on each choice of them.

Shape letters: L labelled videos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from engines.active.kernel import PENALTY, fitted, likeness
from engines.active.vectors import Float32, Int64

#: Labels that are looked at; more change the choice no more, and take their square in memory.
MOST = 600
#: Into how many labels are parted; fewer of either kind say nothing of which sense decides.
FOLDS = 4

Bool = NDArray[np.bool_]
Float64 = NDArray[np.float64]
Senses = tuple[str, ...]


def deciding(rows: Mapping[str, Float32], label_L: Bool, rng: np.random.Generator) -> Senses:
    """The senses whose heads are least surprised by labels that they have not seen; all where labels are too few.

    rows: by sense, what a head would read of the labelled videos, (L, V).
    """
    if len(label_L) > MOST:
        some = shared_out(label_L, -(-len(label_L) // MOST), rng)[0]
        rows, label_L = {name: rows_LV[some] for name, rows_LV in rows.items()}, label_L[some]
    if min(label_L.sum(), (~label_L).sum()) < FOLDS:
        return tuple(rows)
    kernels = {name: alike(rows_LV) for name, rows_LV in rows.items()}
    parts = shared_out(label_L, FOLDS, rng)
    sign_L = np.where(label_L, 1.0, -1.0)

    def surprise(senses: Senses) -> float:
        said_L = np.zeros(len(label_L))
        for part in parts:
            said_L[part] = said(together(kernels, senses), label_L, part)
        return float(np.logaddexp(0, -sign_L * said_L).sum())

    names = list(rows)
    return min((some for count in range(1, len(names) + 1) for some in combinations(names, count)), key=surprise)


def alike(row_LV: Float32) -> Float32:
    """Labelled videos to each other in one sense, (L, L)."""
    return likeness(row_LV, row_LV, (row_LV.shape[1],))


def said(kernel_LL: Float32, label_L: Bool, part: Int64) -> Float64:
    """Log odds of a part of the labelled videos by a head that was fitted to the others."""
    rest = np.setdiff1d(np.arange(len(label_L)), part)
    weight, bias = fitted(kernel_LL[np.ix_(rest, rest)], label_L[rest].astype(np.float32), PENALTY)
    return np.asarray(kernel_LL[np.ix_(part, rest)] @ weight + bias, np.float64)


def together(kernels: Mapping[str, Float32], senses: Senses) -> Float32:
    """The mean of these."""
    return np.asarray(np.mean([kernels[name] for name in senses], axis=0), np.float32)


def shared_out(label_L: Bool, count: int, rng: np.random.Generator) -> Sequence[Int64]:
    """So many parts with the same share of either label, by chance."""
    number_L = np.empty(len(label_L), np.int64)
    for kind in (True, False):
        places = rng.permutation(np.flatnonzero(label_L == kind))
        number_L[places] = np.arange(len(places)) % count
    return [np.flatnonzero(number_L == number) for number in range(count)]
