"""Standard errors for clips that share sources: a bootstrap over source groups.

A clip is put together from several photos, sounds and a title, and each of them occurs in other clips too. Clips that
share a source err together, so a bootstrap of clips is too sure of itself. Three ways to resample groups instead:

- Weight of a clip = mean of its groups' weights: far too narrow, since with r groups a clip varies only by 1/r.
- Product of its groups' weights (Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2); Owen and
  Eckles 2012): what two clips share counts in full, but what is a clip's own counts 2^r - 1 times: with seven sources
  the interval is three to five times too wide.
- What is done here: the product, with weights of small variance, less what it counts too often. Cameron, Gelbach and
  Miller (2011, "Robust inference with multiway clustering", JBES 29(2)) subtract the doubled part in the same way.

With weights of mean 1 and a small variance v the deviations of a metric scale with sqrt(v) (the weighted bootstrap of
Barbe and Bertail 1995), so they are divided by it. The product then counts a clip's own part r times, and r - 1 of
these are subtracted with the help of a second bootstrap in which every clip has a weight of its own, of that surplus
variance. The result is never less than the plain bootstrap of clips gives.

Shape letters: N clips, G groups, R groups of a clip, B replicates, S seeds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

#: v above: chosen by simulation among 0.05, 0.1, 0.2, 0.3 (tests/engines/evaluation/test_resampling.py).
SPREAD = 0.1
REPLICATES = 1000

#: Of the normal distribution, for an interval that holds the truth in 95 of 100 cases.
QUANTILE_95 = 1.959964


class Resampling:
    """Weights of the clips of one test set, the same for every arm: differences between arms are paired."""

    def __init__(self, groups: Sequence[Sequence[str]], *, replicates: int = REPLICATES, seed: int = 0) -> None:
        """groups: for each clip the sources it was made from."""
        rng = np.random.default_rng(seed)
        places_NR, shared_N = _shared_groups(groups)
        held = np.maximum(shared_N, 1)  # a clip that shares nothing is a group of its own
        surplus_N = (1 + SPREAD) ** held - 1 - SPREAD
        grouped_BN = _product_of_groups(places_NR, replicates, rng)
        grouped_BN *= _weights(np.where(shared_N == 0, SPREAD, 0.0), replicates, rng)
        parts = (
            grouped_BN,
            _weights(surplus_N, replicates, rng),
            _weights(np.full(len(groups), SPREAD), replicates, rng),
        )
        #: float64 (3 B, N): by groups, by the surplus, by clips.
        self.weights_BN: Float64 = np.concatenate(parts)

    def standard_error(self, values_B: Float64) -> float:
        """Of a metric that was computed once for each row of `weights_BN`; NaN where no replicate had a value."""
        grouped, surplus, single = (_variance(part_B) / SPREAD for part_B in np.split(values_B, 3))
        return float(np.sqrt(max(grouped - surplus, single)))


def seed_error(values_S: Float64) -> float:
    """Standard error of a mean over training seeds; 0 for a single seed, whose spread nobody knows."""
    return float(np.std(values_S, ddof=1) / np.sqrt(len(values_S))) if len(values_S) > 1 else 0.0


def _variance(values_B: Float64) -> float:
    known_B = values_B[~np.isnan(values_B)]
    return float(known_B.var()) if len(known_B) else float("nan")


def _shared_groups(groups: Sequence[Sequence[str]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the groups that a clip shares with another one, filled up with 0 = none; and how many these are."""
    names, counts = np.unique([name for clip in groups for name in set(clip)], return_counts=True)
    number = {str(name): place for place, name in enumerate(names[counts > 1], start=1)}
    members = [sorted(number[name] for name in set(clip) if name in number) for clip in groups]
    places_NR = np.zeros((len(members), max(1, *map(len, members))), np.int64)
    for n, places in enumerate(members):
        places_NR[n, : len(places)] = places
    return places_NR, np.array([len(places) for places in members])


def _product_of_groups(places_NR: NDArray[np.int64], replicates: int, rng: np.random.Generator) -> Float64:
    weights_BG = _weights(np.full(places_NR.max() + 1, SPREAD), replicates, rng)
    weights_BG[:, 0] = 1
    product_BN = np.ones((replicates, len(places_NR)))
    for places_N in places_NR.T:
        product_BN *= weights_BG[:, places_N]
    return product_BN


def _weights(variance_N: Float64, replicates: int, rng: np.random.Generator) -> Float64:
    """Gamma weights of mean 1 and these variances; never negative, never all zero for a thin slice."""
    safe_N = np.where(variance_N > 0, variance_N, 1.0)
    weights_BN = rng.gamma(1 / safe_N, safe_N, (replicates, len(variance_N)))
    return np.where(variance_N > 0, weights_BN, 1.0)
