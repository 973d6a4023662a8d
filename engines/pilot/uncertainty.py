"""Intervals for the few: shares of a handful of videos, and measures of one sample of videos.

Shape letters: N videos, B replicates.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

Float64 = NDArray[np.float64]

REPLICATES = 2000


class Reach(msgspec.Struct, frozen=True):
    """A value with its 95 % interval; `of`: how many videos it is a share of."""

    value: float
    low: float
    high: float
    of: int


def share(hits: float, of: int) -> Reach:
    """A share with the interval of Jeffreys, which never has no width, in [0, 1].

    Brown, Cai, DasGupta, "Interval estimation for a binomial proportion", Statistical Science 16(2), 2001, section
    4.1.2: recommended for few; 0 at the end that was reached. `hits` may be a mean over repeats.
    """
    if not 0 <= hits <= of or not of:
        raise ValueError(f"share: came {hits} of {of}, expected part of at least one")
    low, high = beta.ppf([0.025, 0.975], hits + 0.5, of - hits + 0.5)
    return Reach(hits / of, float(low) if hits else 0.0, float(high) if hits < of else 1.0, of)


def bootstrap(
    measure: Callable[[NDArray[np.int64]], float], labels_N: NDArray[np.bool_], rng: np.random.Generator
) -> Reach:
    """A measure of videos with its percentile interval, over videos drawn anew within each class.

    measure: takes the indices of the videos to measure. Drawing within classes keeps both in every replicate.
    """
    classes = [np.flatnonzero(labels_N == label) for label in (False, True)]
    values = [
        measure(np.concatenate([rng.choice(places, len(places)) for places in classes if len(places)]))
        for _ in range(REPLICATES)
    ]
    low, high = np.quantile(values, [0.025, 0.975])
    return Reach(measure(np.arange(len(labels_N))), float(low), float(high), len(labels_N))
