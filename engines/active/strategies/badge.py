"""BADGE (Ash et al., arXiv 1906.03671): uncertain and unlike each other, by k-means++ on gradients.

Shape letters: N candidates, D embedding size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.active.pool import Situation
from engines.active.vectors import Float32, Int64


@dataclass(frozen=True)
class Badge:
    """The gradient of the last layer if the model's own guess were the label.

    With two classes it is r x, r = p - 1[p >= 1/2], of an embedding x of unit norm. It is never written down: distances
    come of r and of products of embeddings. A first centre is the longest gradient, as in the authors' code.
    """

    name: str = "badge"

    def query(self, situation: Situation, count: int, rng: np.random.Generator) -> Int64:
        """As of `Strategy`."""
        candidates = situation.scored
        score_N = situation.score_N[candidates]
        residual_N = score_N - (score_N >= 0.5)
        return candidates[_spread(situation.embedding_ND[candidates], residual_N, count, rng)]


def _spread(embedding_ND: Float32, residual_N: Float32, count: int, rng: np.random.Generator) -> Int64:
    """k-means++ (Arthur and Vassilvitskii 2007): each next one with probability by its squared distance."""
    length_N = residual_N.astype(np.float64) ** 2
    distance_N = np.full(len(length_N), np.inf)
    taken: list[int] = []
    while len(taken) < min(count, len(length_N)):
        place = int(length_N.argmax()) if not taken else _drawn(distance_N, rng)
        taken.append(place)
        product_N = residual_N * (embedding_ND @ embedding_ND[place]) * residual_N[place]
        np.minimum(distance_N, length_N + length_N[place] - 2 * product_N, out=distance_N)
        np.maximum(distance_N, 1e-12, out=distance_N)  # rounding; and when all are equal, by chance
        distance_N[taken] = 0
    return np.array(taken, np.int64)


def _drawn(weight_N: NDArray[np.float64], rng: np.random.Generator) -> int:
    upto_N = weight_N.cumsum()
    place = int(np.searchsorted(upto_N, rng.uniform(0, upto_N[-1]), side="right"))
    return min(place, int(np.flatnonzero(weight_N)[-1]))
