"""The fused embedding and the views of single senses side by side: in which of them some videos are alike.

Shape letters: N videos, V size of a space, S seeds, C candidates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from engines.active.vectors import Float32, Int64, chunks

S = TypeVar("S", float, Float32)

#: Pairs that a background is estimated from.
PAIRS = 5_000
#: Videos that the variance of directions is estimated from, and the share of the mean below which none is divided.
COVARIANCE_SAMPLE, FLOOR = 5_000, 0.05


@dataclass(frozen=True)
class Background:
    """Mean and standard deviation of the similarity of two random videos of a pool, in one space."""

    mean: float
    spread: float

    def standard(self, similarity: S) -> S:
        """Similarities in standard deviations above that of two random videos: comparable between spaces."""
        return (similarity - self.mean) / self.spread


def backgrounds(spaces: Mapping[str, Float32], rng: np.random.Generator) -> dict[str, Background]:
    """Of each space, from the same random pairs."""
    count = len(next(iter(spaces.values())))
    first, second = rng.integers(count, size=(2, PAIRS))
    different = first != second
    found = {}
    for name, space_NV in spaces.items():
        pairs = np.vecdot(space_NV[first[different]], space_NV[second[different]])
        found[name] = Background(float(pairs.mean()), max(1e-6, float(pairs.std()))) if len(pairs) else Background(0, 1)
    return found


def agreement(
    spaces: Mapping[str, Float32], known: Mapping[str, Background], seeds: Int64, power: float
) -> dict[str, float]:
    """Weights of the spaces, summing to 1: how much closer the seeds are to each other there than random videos are.

    In standard deviations of the background, to the power `power`; a space where they are no closer gets nothing. Of a
    single seed nobody knows what it is reported for: equal weights.
    """
    if len(seeds) > 1:
        closeness = {name: _closeness(space_NV[seeds], known[name]) for name, space_NV in spaces.items()}
        total = sum(value**power for value in closeness.values())
        if total > 0:
            return {name: value**power / total for name, value in closeness.items()}
    return dict.fromkeys(spaces, 1 / len(spaces))


def _closeness(seed_SV: Float32, background: Background) -> float:
    similarity_SS = background.standard(seed_SV @ seed_SV.T)
    pairs = similarity_SS[np.triu_indices(len(seed_SV), 1)]
    return max(0.0, float(pairs.mean()))


def likeness(
    spaces: Mapping[str, Float32],
    known: Mapping[str, Background],
    weights: Mapping[str, float],
    candidates: Int64,
    seeds: Int64,
    *,
    nearest_seeds: int = 1,
) -> tuple[Float32, Int64]:
    """How like the seeds each candidate is, (C,), and which seed it is most like, as a place among the seeds.

    The weighted mean over the spaces of similarities in standard deviations of the background, then the mean of the
    `nearest_seeds` highest.
    """
    best_C = np.empty(len(candidates), np.float32)
    which_C = np.empty(len(candidates), np.int64)
    used = {name: weight for name, weight in weights.items() if weight > 0}
    nearest_seeds = min(nearest_seeds, len(seeds))
    for part in chunks(len(candidates), len(seeds) * 4):
        total_CS = np.zeros((len(candidates[part]), len(seeds)), np.float32)
        for name, weight in used.items():
            space_NV = spaces[name]
            total_CS += np.float32(weight) * known[name].standard(space_NV[candidates[part]] @ space_NV[seeds].T)
        which_C[part] = total_CS.argmax(1)
        best_C[part] = np.partition(total_CS, -nearest_seeds, axis=1)[:, -nearest_seeds:].mean(1)
    return best_C, which_C


def sharpened(space_NV: Float32, rng: np.random.Generator, power: float) -> Float32:
    """The space with its strong directions made weaker, unit norm again: each is divided by its variance^(power / 2).

    0 leaves it as it is, 1 makes all directions equal. What a few videos have in common lies in weak directions, which
    cosines of embeddings hardly see (measured: docs/select.md). Rows of zeros, of videos without that sense, stay.
    """
    there_N = space_NV.any(axis=1)
    sample = rng.permutation(np.flatnonzero(there_N))[:COVARIANCE_SAMPLE]
    if not power or len(sample) < 2:
        return space_NV
    mean_V = space_NV[sample].mean(0)
    variance_V, direction_VV = np.linalg.eigh(np.cov(space_NV[sample].astype(np.float64).T))
    floor = FLOOR * max(float(variance_V.mean()), 1e-12)
    change_VV = np.asarray(direction_VV / np.maximum(variance_V, floor) ** (power / 2), np.float32)
    sharp_NV: Float32 = (space_NV - mean_V) @ change_VV
    sharp_NV[~there_N] = 0
    sharp_NV /= np.maximum(np.linalg.norm(sharp_NV, axis=1, keepdims=True), 1e-12)
    return sharp_NV
