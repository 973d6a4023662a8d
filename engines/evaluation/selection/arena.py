"""A pool whose labels are all known, and the test clips that heads are measured on.

Shape letters: N videos of the pool, T of the test, F features of the head, D embedding size, V size of a view.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from engines.active.kernel import likeness
from engines.active.vectors import Float32


@dataclass(frozen=True)
class Kind:
    """Some of the positives: what they have in common, in words, and which they are."""

    name: str
    pool_N: NDArray[np.bool_]
    test_T: NDArray[np.bool_]


@dataclass(frozen=True)
class Arena:
    """One pool and one task. feature_NF: what the head reads; embedding_ND, views: what strategies see, unit norm.

    widths: of the senses that lie side by side in the features; empty where the features are places in a kernel.
    """

    name: str
    feature_NF: Float32
    feature_TF: Float32
    embedding_ND: Float32
    views: Mapping[str, Float32]
    label_N: Float32
    label_T: Float32
    kinds: tuple[Kind, ...] = field(default=())
    widths: tuple[int, ...] = ()

    def at_rate(self, rate: float, rng: np.random.Generator) -> Arena:
        """With so many positives left, in pool and test, that they are this share; the negatives stay."""
        pool, test = (_thinned(labels, rate, rng) for labels in (self.label_N, self.label_T))
        return replace(self.only(pool, test), name=f"{self.name}, {rate:.1%}", kinds=())

    def only(self, pool: NDArray[np.int64], test: NDArray[np.int64]) -> Arena:
        """Of these places of the pool and of the test."""
        return replace(
            self,
            feature_NF=self.feature_NF[pool],
            feature_TF=self.feature_TF[test],
            embedding_ND=self.embedding_ND[pool],
            views={name: rows[pool] for name, rows in self.views.items()},
            label_N=self.label_N[pool],
            label_T=self.label_T[test],
            kinds=tuple(replace(kind, pool_N=kind.pool_N[pool], test_T=kind.test_T[test]) for kind in self.kinds),
        )


def kernelled(arena: Arena, kernel_NM: Float32 | None = None) -> tuple[Arena, Float32]:
    """The arena with places in its kernel as features, pool first; and the kernel of the pool with pool and test.

    kernel_NM: where it is known already, of another task on the same features.
    """
    both_MF = np.concatenate([arena.feature_NF, arena.feature_TF])
    if kernel_NM is None:
        kernel_NM = likeness(arena.feature_NF, both_MF, arena.widths)
    place_N1, place_T1 = np.split(np.arange(len(both_MF), dtype=np.float32)[:, None], [len(arena.feature_NF)])
    return replace(arena, feature_NF=place_N1, feature_TF=place_T1, widths=()), kernel_NM


def _thinned(label_N: Float32, rate: float, rng: np.random.Generator) -> NDArray[np.int64]:
    positives, negatives = (np.flatnonzero(label_N == label) for label in (1, 0))
    wanted = round(len(negatives) * rate / (1 - rate))
    if wanted > len(positives):
        raise ValueError(
            f"base rate: came {rate:.1%}, expected at most {len(positives) / len(label_N):.1%}, the pool's"
        )
    return np.sort(np.concatenate([rng.permutation(positives)[:wanted], negatives]))


def compressed(fit_ND: Float32, other_TD: Float32, size: int) -> tuple[Float32, Float32]:
    """Both in the `size` main directions of the first, each divided by the square root of its standard deviation.

    The whole has mean square norm 1, so that views put side by side count alike.
    """
    mean_D = fit_ND.mean(0)
    variance_D, direction_DD = np.linalg.eigh(np.cov((fit_ND - mean_D).astype(np.float64).T))
    change_DC = direction_DD[:, ::-1][:, :size] / np.maximum(variance_D[::-1][:size], 1e-9) ** 0.25
    pair = [np.asarray((rows - mean_D) @ change_DC, np.float32) for rows in (fit_ND, other_TD)]
    scale = np.sqrt((pair[0] ** 2).sum(1).mean())
    return pair[0] / scale, pair[1] / scale


def unit(rows_ND: Float32) -> Float32:
    """Rows of norm 1; rows of zeros stay."""
    return np.asarray(rows_ND / np.maximum(np.linalg.norm(rows_ND, axis=1, keepdims=True), 1e-12), np.float32)
