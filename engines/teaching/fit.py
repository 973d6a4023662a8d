"""Labels and views -> a head, which senses it reads, and what it says of videos that it was not taught with.

What is said of a labelled video comes from heads that have not seen it: cross-validation, within which the senses are
chosen anew in each part.

Shape letters: L labelled videos, D embedding size, R repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from engines.active.kernel import PENALTY, fitted, likeness
from engines.taught import SENSES, Float32, Head, apart

#: Labels of either kind without which nothing can be said.
FEWEST = 8
FOLDS, INNER_FOLDS = 5, 4
#: How often all is shared out anew, and above how many labels once is enough.
REPEATS, MANY = 3, 300

Bool = NDArray[np.bool_]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Senses = tuple[str, ...]


@dataclass(frozen=True)
class Examples:
    """What there is to learn from: by sense the mean (D,) of a pool's views, and what differs from it (L, D).

    A row is zero where a video lacks the sense.
    """

    mean_D: Mapping[str, Float32]
    row_LD: Mapping[str, Float32]
    label_L: Bool

    @classmethod
    def of(cls, view_LD: Mapping[str, Float32], mean_D: Mapping[str, Float32], label_L: Bool) -> Examples:
        """view_LD: zeros where a video lacks it. Raises `ValueError` for fewer than `FEWEST` of either label."""
        yes, no = int(label_L.sum()), int((~label_L).sum())
        if min(yes, no) < FEWEST:
            raise ValueError(f"labels: came {yes} of yes and {no} of no, expected {FEWEST} or more of each")
        rows = {name: apart(view, mean_D[name]) * view.any(axis=1, keepdims=True) for name, view in view_LD.items()}
        return cls(mean_D, rows, label_L)

    def kernels(self) -> dict[str, Float32]:
        """How alike they are in each sense, (L, L)."""
        return {name: likeness(rows, rows, (rows.shape[1],)) for name, rows in self.row_LD.items()}


def taught(examples: Examples, rng: np.random.Generator) -> Head:
    """The head. Raises `ValueError` where scikit-learn is not installed."""
    kernels = examples.kernels()
    senses = _chosen(kernels, examples.label_L, rng)
    weight_L, bias = fitted(_together(kernels, senses), examples.label_L.astype(np.float32), PENALTY)
    means, rows = ({name: part[name] for name in senses} for part in (examples.mean_D, examples.row_LD))
    return Head(means, rows, weight_L, bias)


def held_out(examples: Examples, rng: np.random.Generator, on_fold: Callable[[], None] = lambda: None) -> Float64:
    """float64 (R, L): log odds of each labelled video by heads that were taught without it.

    `on_fold` is called `folds` times.
    """
    kernels, label_L = examples.kernels(), examples.label_L
    said_RL = np.zeros((_repeats(len(label_L)), len(label_L)))
    for said_L in said_RL:
        for part in _parts(label_L, FOLDS, rng):
            rest = np.setdiff1d(np.arange(len(label_L)), part)
            inside = {name: kernel[np.ix_(rest, rest)] for name, kernel in kernels.items()}
            said_L[part] = _said(kernels, _chosen(inside, label_L[rest], rng), label_L, rest, part)
            on_fold()
    return said_RL


def folds(labels: int) -> int:
    """How often `on_fold` is called for so many labels."""
    return FOLDS * _repeats(labels)


def _repeats(labels: int) -> int:
    return REPEATS if labels <= MANY else 1


def _chosen(kernels: Mapping[str, Float32], label_L: Bool, rng: np.random.Generator) -> Senses:
    """The senses whose heads are least surprised by labels that they have not seen."""
    parts = _parts(label_L, INNER_FOLDS, rng)
    sign_L = np.where(label_L, 1.0, -1.0)

    def surprise(senses: Senses) -> float:
        total = 0.0
        for part in parts:
            rest = np.setdiff1d(np.arange(len(label_L)), part)
            total += float(np.logaddexp(0, -sign_L[part] * _said(kernels, senses, label_L, rest, part)).sum())
        return total

    there = [name for name in SENSES if name in kernels]
    return min((some for count in range(1, len(there) + 1) for some in combinations(there, count)), key=surprise)


def _said(kernels: Mapping[str, Float32], senses: Senses, label_L: Bool, rest: Int64, part: Int64) -> Float64:
    """Log odds of a part by a head that was taught with the rest."""
    kernel_LL = _together(kernels, senses)
    weight, bias = fitted(kernel_LL[np.ix_(rest, rest)], label_L[rest].astype(np.float32), PENALTY)
    return np.asarray(kernel_LL[np.ix_(part, rest)] @ weight + bias, np.float64)


def _together(kernels: Mapping[str, Float32], senses: Senses) -> Float32:
    return np.asarray(np.mean([kernels[name] for name in senses], axis=0), np.float32)


def _parts(label_L: Bool, count: int, rng: np.random.Generator) -> Sequence[Int64]:
    """So many parts with the same share of either label, by chance."""
    number_L = np.empty(len(label_L), np.int64)
    for kind in (True, False):
        places = rng.permutation(np.flatnonzero(label_L == kind))
        number_L[places] = np.arange(len(places)) % count
    return [np.flatnonzero(number_L == number) for number in range(count)]
