"""By chance: what every other strategy has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.active.pool import Situation
from engines.active.vectors import Int64


@dataclass(frozen=True)
class Random:
    """Each unlabelled video with equal probability."""

    name: str = "random"

    def query(self, situation: Situation, count: int, rng: np.random.Generator) -> Int64:
        """As of `Strategy`."""
        return rng.permutation(situation.unlabelled)[:count]
