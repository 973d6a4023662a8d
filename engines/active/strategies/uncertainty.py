"""Where the model is least sure: least confidence (Lewis and Gale 1994), margin (Scheffer et al. 2001), entropy
(Settles and Craven 2008), and where it is most sure of a positive (relevance sampling, Lewis and Gale 1994).

With two classes the first three are functions of |p - 1/2| and choose the same videos: a table that compares them says
something of rounding only. All three are here because people ask for them by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engines.active.pool import Situation
from engines.active.vectors import Float32, Int64


@dataclass(frozen=True)
class ByScore:
    """The highest `worth_N` of P(positive), float32 (N,) -> (N,); of equal ones by chance."""

    name: str
    worth_N: Callable[[Float32], Float32]

    def query(self, situation: Situation, count: int, rng: np.random.Generator) -> Int64:
        """As of `Strategy`."""
        return best(situation.scored, self.worth_N(situation.score_N[situation.scored]), count, rng)


def best(candidates: Int64, worth_N: Float32, count: int, rng: np.random.Generator) -> Int64:
    """The `count` candidates of highest worth, best first; of equal ones by chance."""
    shuffled = rng.permutation(len(candidates))
    return candidates[shuffled[np.argsort(-worth_N[shuffled], kind="stable")[:count]]]


def entropy(score_N: Float32) -> Float32:
    """Of a coin of these probabilities, in nats; 0 for 0 and 1."""
    sure_N = np.clip(score_N.astype(np.float64), 1e-12, 1 - 1e-12)
    return np.asarray(-sure_N * np.log(sure_N) - (1 - sure_N) * np.log1p(-sure_N), np.float32)


LEAST_CONFIDENCE = ByScore("least_confidence", lambda score_N: 1 - np.maximum(score_N, 1 - score_N))
MARGIN = ByScore("margin", lambda score_N: -np.abs(2 * score_N - 1))
ENTROPY = ByScore("entropy", entropy)
LIKELY = ByScore("likely", lambda score_N: score_N)
