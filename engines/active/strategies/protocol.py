"""What every query strategy is: a situation and a number in, places of videos out, most wanted first."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from engines.active.pool import Situation
from engines.active.vectors import Int64


class Strategy(Protocol):
    """One way to choose. Equal situation, count and generator state give equal places."""

    @property
    def name(self) -> str:
        """As on the command line."""

    def query(self, situation: Situation, count: int, rng: np.random.Generator) -> Int64:
        """`count` places of unlabelled videos, each once; fewer where the pool has no more.

        Raises `ValueError` when the situation lacks what the strategy needs.
        """
