"""Core-Set (Sener and Savarese, arXiv 1708.00489): no video far from all labelled ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.active.pool import Situation
from engines.active.vectors import Int64, highest


@dataclass(frozen=True)
class CoreSet:
    """The paper's greedy k-centre: always the video farthest from what is labelled or taken. Scores play no part.

    One product of the pool with each labelled and each taken video: 10^6 x 256 needs no sample.
    """

    name: str = "core_set"

    def query(self, situation: Situation, count: int, rng: np.random.Generator) -> Int64:
        """As of `Strategy`. Without labels the first one is by chance."""
        candidates = situation.unlabelled
        embedding_ND = situation.embedding_ND[candidates]
        nearest_N, _ = highest(embedding_ND, situation.embedding_ND[situation.labelled])
        taken: list[int] = []
        while len(taken) < min(count, len(candidates)):
            first = not len(situation.labelled) and not taken
            place = int(rng.integers(len(candidates))) if first else int(nearest_N.argmin())
            taken.append(place)
            np.maximum(nearest_N, embedding_ND @ embedding_ND[place], out=nearest_N)
            nearest_N[taken] = 2  # beyond any cosine: not again
        return candidates[taken]
