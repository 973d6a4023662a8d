"""Pseudo-labels: a model's guesses that are sure enough to be trained on, and are never taken for what people said.

Self-training (Lee 2013, "Pseudo-Label") with three brakes: the calibrated score has to be beyond a stated probability,
the nearest labelled neighbours have to agree (Iscen et al. 2019, arXiv 1904.04717, spread labels over such neighbours;
here they only veto), and guesses of a class are at most a share of its true labels, or the head would learn its own
opinion. Thresholds are ours. `docs/learn.md` has what it is worth.

Shape letters: N clips, L labelled clips, D embedding size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
#: Clips that are compared with all labelled ones at a time.
CHUNK = 1024


@dataclass(frozen=True, kw_only=True)
class PseudoOptions:
    """positive, negative: scores from which on a guess is sure. neighbours: nearest labelled clips that are asked.

    agreeing: the share of them that has to have the guessed label. share: of the true labels of a class, how many
    guesses of it there may be. Raises `ValueError` for what contradicts itself.
    """

    positive: float = 0.95
    negative: float = 0.05
    neighbours: int = 5
    agreeing: float = 0.8
    share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.negative < 0.5 < self.positive <= 1:
            raise ValueError(
                f"pseudo: came negative {self.negative} and positive {self.positive}, expected <0.5< of both"
            )
        if self.neighbours < 1 or not 0 <= self.agreeing <= 1 or self.share < 0:
            raise ValueError(
                f"pseudo: came {self}, expected a neighbour or more, agreeing in [0, 1] and share from 0 on"
            )


@dataclass(frozen=True)
class Guesses:
    """Places of clips that have no label, and the label guessed for each: int64 and float32, (M,), surest first."""

    places_M: NDArray[np.int64]
    labels_M: Float32


def guess(embedding_ND: Float32, score_N: Float32, label_N: Float32, options: PseudoOptions) -> Guesses:
    """Pseudo-labels of one task. embedding_ND: unit norm. score_N: calibrated P(positive). label_N: 0, 1 or NaN.

    Clips with a score or a vector of NaN are passed over. No labels of a class: no guesses of it.
    """
    labelled = np.flatnonzero(~np.isnan(label_N))
    sure_N = (score_N >= options.positive) | (score_N <= options.negative)
    open_N = np.isnan(label_N) & sure_N & np.isfinite(embedding_ND).all(1)
    places = np.flatnonzero(open_N)
    if not len(labelled) or not len(places):
        return Guesses(np.zeros(0, np.int64), np.zeros(0, np.float32))
    guessed_M = (score_N[places] > 0.5).astype(np.float32)
    agreed_M = _agreement(
        embedding_ND[places], guessed_M, embedding_ND[labelled], label_N[labelled], options.neighbours
    )
    kept = agreed_M >= options.agreeing - 1e-6
    places, guessed_M = places[kept], guessed_M[kept]
    order = np.argsort(-np.abs(score_N[places] - 0.5), kind="stable")
    chosen = []
    for label in (0.0, 1.0):
        most = int(options.share * np.sum(label_N[labelled] == label))
        chosen += [place for place in order if guessed_M[place] == label][:most]
    chosen.sort(key=lambda place: -abs(score_N[places[place]] - 0.5))
    return Guesses(places[chosen].astype(np.int64), guessed_M[chosen])


def _agreement(query_MD: Float32, guess_M: Float32, known_LD: Float32, label_L: Float32, k: int) -> Float32:
    """The share of the k nearest labelled clips that have the guessed label, float32 (M,)."""
    k = min(k, len(label_L))
    share_M = np.empty(len(query_MD), np.float32)
    for start in range(0, len(query_MD), CHUNK):
        part = slice(start, start + CHUNK)
        near_MK = np.argpartition(-(query_MD[part] @ known_LD.T), k - 1, axis=1)[:, :k]
        share_M[part] = (label_L[near_MK] == guess_M[part, None]).mean(1)
    return share_M
