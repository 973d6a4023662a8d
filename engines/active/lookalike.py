"""The lookalike band: how similar a video must be to a seed to be of its kind, and how similar to be the same video.

The paper (arXiv 2503.17551) names a Lookalike Threshold and leaves its value and its direction open; a band [low, high]
holds both readings. **How it is calibrated is our design.**

Shape letters: N videos, V size of a space, P positives, R random videos.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.active.vectors import Float32, Int64, highest

#: Positives without which a threshold is a quantile of the background instead.
FEWEST_POSITIVES = 8
#: Share of random videos that are less like their nearest seed than `low`, where positives are too few.
BACKGROUND_QUANTILE = 0.95
#: Share of positives that are less like another positive than `low`.
POSITIVE_QUANTILE = 0.1
#: Positives and random videos that a band is calibrated on.
MOST = 400
#: Cosine from which two videos are one: a re-upload.
SAME = 0.985


@dataclass(frozen=True)
class Band:
    """Cosine similarities to the nearest seed, from `low` on and below `high`."""

    low: float
    high: float = SAME

    def __post_init__(self) -> None:
        if not -1 <= self.low <= self.high:
            raise ValueError(f"lookalike band: came [{self.low}, {self.high}], expected -1 <= low <= high")

    def holds(self, similarity: Float32) -> NDArray[np.bool_]:
        """Which of them are lookalikes and no copies."""
        return (similarity >= self.low) & (similarity < self.high)


def calibrated(
    space_NV: Float32, positives: Int64, others: Int64, rng: np.random.Generator, high: float = SAME
) -> Band:
    """The band of one space.

    low: as like another positive as nine of ten positives are. With fewer than `FEWEST_POSITIVES`: more like one than
    95 % of other videos are. Where positives and others part best (Youden 1950) is too strict: on development seeds it
    cost a fifth of the finds of a new kind.
    """
    positives, others = rng.permutation(positives)[:MOST], rng.permutation(others)[:MOST]
    if not len(positives) or not len(others):
        return Band(-1, high)
    if len(positives) < FEWEST_POSITIVES:
        other_R, _ = highest(space_NV[others], space_NV[positives])
        return Band(min(high, float(np.quantile(other_R, BACKGROUND_QUANTILE))), high)
    similarity_PP = space_NV[positives] @ space_NV[positives].T
    np.fill_diagonal(similarity_PP, -1)
    similarity_PP[similarity_PP >= high] = -1  # a copy says nothing of its kind
    return Band(min(high, float(np.quantile(similarity_PP.max(1), POSITIVE_QUANTILE))), high)
