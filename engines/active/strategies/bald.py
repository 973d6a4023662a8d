"""BALD (Houlsby et al., arXiv 1112.5745): where models that fit the labels equally well disagree.

Gal et al. (arXiv 1703.02910) draw the models by dropout; here they are an ensemble (Beluch et al. 2018), which works
for heads without dropout too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.active.pool import Situation
from engines.active.strategies.uncertainty import best, entropy
from engines.active.vectors import Int64


@dataclass(frozen=True)
class Bald:
    """Mutual information of the label and the model: H(mean_E p) - mean_E H(p)."""

    name: str = "bald"

    def query(self, situation: Situation, count: int, rng: np.random.Generator) -> Int64:
        """As of `Strategy`. Needs `committee_EN`."""
        if situation.committee_EN is None:
            raise ValueError(
                "bald: came no committee, expected the scores of several models; give labels of both kinds"
            )
        score_EN = situation.committee_EN[:, situation.unlabelled]
        information_N = entropy(score_EN.mean(0)) - entropy(score_EN).mean(0)
        return best(situation.unlabelled, information_N, count, rng)
