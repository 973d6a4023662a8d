"""Labels and views -> a head, which senses it reads, and what it says of videos that it was not taught with.

What is said of a labelled video comes from heads that have not seen it: cross-validation, within which the senses are
chosen anew in each part.

Shape letters: L labelled videos, D embedding size, R repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from engines.active.kernel import PENALTY, fitted
from engines.active.senses import Bool, Float64, alike, deciding, said, shared_out, together
from engines.taught import SENSES, Float32, Head, apart

#: Labels of either kind without which nothing can be said.
FEWEST = 8
#: Labels that a head holds: each is compared with each.
MOST = 5_000
FOLDS = 5
#: How often all is shared out anew, and above how many labels once is enough.
REPEATS, MANY = 3, 300


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
        if min(yes, no) < FEWEST or yes + no > MOST:
            raise ValueError(
                f"labels: came {yes} of yes and {no} of no, expected {FEWEST} or more of each and {MOST:,} at most; "
                "with more, train: earshot learn"
            )
        there = ((name, view_LD[name]) for name in SENSES if name in view_LD)
        rows = {name: apart(view, mean_D[name]) * view.any(axis=1, keepdims=True) for name, view in there}
        return cls(mean_D, rows, label_L)

    def kernels(self) -> dict[str, Float32]:
        """How alike they are in each sense, (L, L)."""
        return {name: alike(rows) for name, rows in self.row_LD.items()}


def taught(examples: Examples, rng: np.random.Generator) -> Head:
    """The head. Raises `ValueError` where scikit-learn is not installed."""
    senses = deciding(examples.row_LD, examples.label_L, rng)
    weight_L, bias = fitted(together(examples.kernels(), senses), examples.label_L.astype(np.float32), PENALTY)
    means, rows = ({name: part[name] for name in senses} for part in (examples.mean_D, examples.row_LD))
    return Head(means, rows, weight_L, bias)


def held_out(examples: Examples, rng: np.random.Generator, on_fold: Callable[[], None] = lambda: None) -> Float64:
    """float64 (R, L): log odds of each labelled video by heads that were taught without it; NaN where it lacks what
    they read.

    `on_fold` is called `folds` times.
    """
    kernels, label_L = examples.kernels(), examples.label_L
    said_RL = np.zeros((_repeats(len(label_L)), len(label_L)))
    for said_L in said_RL:
        for part in shared_out(label_L, FOLDS, rng):
            rest = np.setdiff1d(np.arange(len(label_L)), part)
            inside = {name: rows[rest] for name, rows in examples.row_LD.items()}
            senses = deciding(inside, label_L[rest], rng)
            has_L = np.any([examples.row_LD[name].any(axis=1) for name in senses], axis=0)
            said_L[part] = np.where(has_L[part], said(together(kernels, senses), label_L, part), np.nan)
            on_fold()
    return said_RL


def folds(labels: int) -> int:
    """How often `on_fold` is called for so many labels."""
    return FOLDS * _repeats(labels)


def _repeats(labels: int) -> int:
    return REPEATS if labels <= MANY else 1
