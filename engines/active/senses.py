"""In which senses do labelled videos differ? Found by cross-validation of heads on each choice of them.

Shape letters: N videos, L labelled videos, V size of a sense, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engines.active.kernel import PENALTY, fitted, likeness, probability
from engines.active.vectors import Float32, Int64, chunks

#: Labels that are looked at; more change the choice no more, and take their square in memory.
MOST = 600
#: Into how many labels are parted; fewer of either kind say nothing of which sense decides.
FOLDS = 4

Bool = NDArray[np.bool_]
Float64 = NDArray[np.float64]
Senses = tuple[str, ...]


@dataclass(frozen=True)
class SensesHead:
    """A `engines.active.learner.Head` that reads the senses in which the labels differ.

    Features: senses side by side, of the given widths, each with mean 0 and zeros where a video lacks it; before them
    one column of log odds that another judge gives, where `trust` is not 0: how much of their product adds to likeness.
    only: senses that it reads; empty: those that each fit finds. reads: those of the last fit.
    """

    widths: Mapping[str, int]
    trust: float = 0.0
    only: Senses = ()
    reads: Senses = ()
    label_LF: Float32 | None = None
    weight_L: Float32 | None = None
    bias: float = 0.0

    def fit(self, feature_LF: Float32, label_L: Float32, rng: np.random.Generator) -> SensesHead:
        """As of `Head`. Raises `ValueError` for labels of one kind."""
        rows, beside_LL = self._apart(feature_LF), self._beside(feature_LF, feature_LF)
        senses = self.only or deciding(rows, label_L == 1, rng, beside_LL)
        kernel_LL = together({name: alike(rows[name]) for name in senses}, senses) + beside_LL
        weight_L, bias = fitted(kernel_LL, label_L, PENALTY)
        return replace(self, reads=senses, label_LF=feature_LF, weight_L=weight_L, bias=bias)

    def scores(self, feature_NF: Float32) -> Float32:
        """As of `Head`. Raises `ValueError` before `fit`."""
        return probability(self.logits(feature_NF))

    def logits(self, feature_NF: Float32) -> Float32:
        """float32 (N,), of which `scores` are the sigmoid. Raises `ValueError` before `fit`."""
        if self.label_LF is None or self.weight_L is None:
            raise ValueError("head: came no labels, expected `fit` before `scores`")
        known, logit_N = self._apart(self.label_LF), np.empty(len(feature_NF), np.float32)
        for part in chunks(len(feature_NF), len(self.label_LF)):
            rows = self._apart(feature_NF[part])
            like = [likeness(rows[name], known[name], (self.widths[name],)) for name in self.reads]
            logit_N[part] = (np.mean(like, axis=0) + self._beside(feature_NF[part], self.label_LF)) @ self.weight_L
        return logit_N + np.float32(self.bias)

    def _apart(self, feature_NF: Float32) -> dict[str, Float32]:
        ends = np.cumsum([int(self.trust != 0), *self.widths.values()]).tolist()
        return {name: feature_NF[:, start:end] for name, start, end in zip(self.widths, ends, ends[1:], strict=False)}

    def _beside(self, feature_NF: Float32, other_MF: Float32) -> Float32:
        if not self.trust:
            return np.zeros((len(feature_NF), len(other_MF)), np.float32)
        return np.asarray(self.trust * np.outer(feature_NF[:, 0], other_MF[:, 0]), np.float32)


def side_by_side(spaces: Mapping[str, NDArray[np.floating]]) -> tuple[dict[str, int], Float32]:
    """Widths and features, (N, F), of spaces (N, V) that are zero where a video lacks a sense; their means taken away.

    A mean is of the videos that have the sense.
    """
    middled = []
    for rows_NV in spaces.values():
        has_N1 = rows_NV.any(axis=1, keepdims=True)
        mean_V = rows_NV.sum(axis=0) / max(int(has_N1.sum()), 1)
        middled.append(np.asarray((rows_NV - mean_V) * has_N1, np.float32))
    return {name: rows_NV.shape[1] for name, rows_NV in spaces.items()}, np.concatenate(middled, axis=1)


def deciding(
    rows: Mapping[str, Float32], label_L: Bool, rng: np.random.Generator, beside_LL: Float32 | None = None
) -> Senses:
    """The senses whose heads are least surprised by labels that they have not seen; all where labels are too few.

    The best one alone, and what lessens the surprise beside it: all choices of four would take twice as long.

    rows: by sense, what a head would read of the labelled videos, (L, V). beside_LL: what adds to any likeness.
    """
    beside_LL = np.zeros((len(label_L), len(label_L)), np.float32) if beside_LL is None else beside_LL
    if len(label_L) > MOST:
        some = shared_out(label_L, -(-len(label_L) // MOST), rng)[0]
        rows, label_L = {name: rows_LV[some] for name, rows_LV in rows.items()}, label_L[some]
        beside_LL = beside_LL[np.ix_(some, some)]
    if min(label_L.sum(), (~label_L).sum()) < FOLDS:
        return tuple(rows)
    kernels = {name: alike(rows_LV) for name, rows_LV in rows.items()}
    parts = shared_out(label_L, FOLDS, rng)
    sign_L = np.where(label_L, 1.0, -1.0)

    def surprise(senses: Senses) -> float:
        said_L = np.zeros(len(label_L))
        for part in parts:
            said_L[part] = said(together(kernels, senses) + beside_LL, label_L, part)
        return float(np.logaddexp(0, -sign_L * said_L).sum())

    chosen: Senses = ()
    least = np.inf
    while more := [tuple(name for name in rows if name in {*chosen, new}) for new in rows if new not in chosen]:
        surprises = [surprise(senses) for senses in more]
        if min(surprises) >= least:
            break
        least, chosen = min(surprises), more[int(np.argmin(surprises))]
    return chosen


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
