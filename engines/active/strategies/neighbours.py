"""Uncertainty among neighbours of what is labelled: SEALS (arXiv 2007.00077) and AnchorAL (arXiv 2404.05623).

Both restrict the pool first and score it afterwards. Ours, for both: neighbours are found by exact products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.active.pool import Situation
from engines.active.strategies.uncertainty import MARGIN, best
from engines.active.vectors import Float32, Int64, nearest


@dataclass(frozen=True)
class Seals:
    """The most uncertain of the k nearest neighbours of each labelled video; k = 100 as in the paper."""

    name: str = "seals"
    k: int = 100

    def query(self, situation: Situation, count: int, rng: np.random.Generator) -> Int64:
        """As of `Strategy`. Where the neighbourhood is too small, the rest is the most uncertain of the pool."""
        candidates = situation.scored
        seeds_SD = situation.embedding_ND[situation.labelled]
        _, near_SK = nearest(seeds_SD, situation.embedding_ND[candidates], self.k)
        return most_uncertain(situation, candidates[np.unique(near_SK)], count, rng)


@dataclass(frozen=True)
class AnchorAl:
    """The most uncertain of the videos nearest to anchors: a few labelled ones of each class, spread by k-means++.

    As in the authors' configuration: 10 anchors a class, 50 neighbours of each, the nearest by mean distance up to
    `most`. The paper's `most` is 10,000 of 10^5 and more; ours is at most a tenth of the pool, or it would restrict
    nothing.
    """

    name: str = "anchor_al"
    anchors: int = 10
    k: int = 50
    most: int = 10_000

    def query(self, situation: Situation, count: int, rng: np.random.Generator) -> Int64:
        """As of `Strategy`. Where the neighbourhood is too small, the rest is the most uncertain of the pool."""
        candidates = situation.scored
        embedding_ND = situation.embedding_ND[candidates]
        anchors = np.concatenate([self._anchors(situation, label, rng) for label in (0, 1)])
        similarity_AK, near_AK = nearest(situation.embedding_ND[anchors], embedding_ND, self.k)
        near, group_X = np.unique(near_AK.ravel(), return_inverse=True)
        mean_X = np.bincount(group_X, similarity_AK.ravel()) / np.bincount(group_X)
        most = max(count, min(self.most, len(candidates) // 10))
        return most_uncertain(situation, candidates[near[np.argsort(-mean_X, kind="stable")[:most]]], count, rng)

    def _anchors(self, situation: Situation, label: int, rng: np.random.Generator) -> Int64:
        known = situation.of_label(label)
        return known[spread(situation.embedding_ND[known], self.anchors, rng)]


def most_uncertain(situation: Situation, subpool: Int64, count: int, rng: np.random.Generator) -> Int64:
    """By margin from the subpool, and from the whole pool where that is exhausted."""
    first = best(subpool, MARGIN.worth_N(situation.score_N[subpool]), count, rng)
    if len(first) == count:
        return first
    rest = np.setdiff1d(situation.scored, first)
    return np.concatenate([first, best(rest, MARGIN.worth_N(situation.score_N[rest]), count - len(first), rng)])


def spread(embedding_ND: Float32, count: int, rng: np.random.Generator) -> Int64:
    """k-means++ of rows of unit norm (Arthur and Vassilvitskii 2007): `count` places, or all where there are fewer."""
    if len(embedding_ND) <= count:
        return np.arange(len(embedding_ND))
    taken = [int(rng.integers(len(embedding_ND)))]
    nearest_N = embedding_ND @ embedding_ND[taken[0]]
    while len(taken) < count:
        weight_N = np.maximum(1e-9, 1 - nearest_N.astype(np.float64))
        weight_N[taken] = 0
        taken.append(int(rng.choice(len(weight_N), p=weight_N / weight_N.sum())))
        np.maximum(nearest_N, embedding_ND @ embedding_ND[taken[-1]], out=nearest_N)
    return np.array(taken)
