"""Logistic regression on how alike videos are in each sense: cosines and their squares.

The square lets a head say "a pair of traits together" inside a sense, which weights on values cannot (a polynomial
kernel of degree two; kernel logistic regression: Zhu and Hastie 2005).

Shape letters: N and M videos, F features, L labelled videos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engines.active.vectors import Float32, Int64, chunks

#: Added to the diagonal of a kernel, so that copies among labelled videos do no harm.
JITTER = 1e-4
#: Chosen on development seeds of the composed pool and the two pools of titles (`earshot evaluate select`).
PENALTY = 0.2
ITERATIONS, TOLERANCE = 300, 1e-3


def likeness(
    row_NF: Float32, other_MF: Float32, widths: Sequence[int], weights: Sequence[float] | None = None
) -> Float32:
    """The kernel, float32 (N, M): mean over the senses of (c + c^2) / 2, with c the cosine there.

    widths: of the senses, which lie side by side in the features. A video without a sense has zeros there. weights: of
    the senses in the mean, not negative and with sum 1; None: equal ones.
    """
    if sum(widths) != row_NF.shape[1]:
        raise ValueError(f"kernel: came {row_NF.shape[1]} features, expected {sum(widths)}, widths {tuple(widths)}")
    total_NM = np.zeros((len(row_NF), len(other_MF)), np.float32)
    start = 0
    for width, weight in zip(widths, weights or [1 / len(widths)] * len(widths), strict=True):
        cosine_NM = _unit(row_NF[:, start : start + width]) @ _unit(other_MF[:, start : start + width]).T
        total_NM += np.float32(weight / 2) * cosine_NM
        total_NM += np.float32(weight / 2) * np.square(cosine_NM, out=cosine_NM)
        start += width
    return total_NM


def fitted(kernel_LL: Float32, label_L: Float32, penalty: float) -> tuple[Float32, float]:
    """Weights of the labelled videos and a bias: the logit of a video is the weighted sum of its likeness to them.

    Minimises log loss + penalty / 2 w'Kw; as K = AA', that is a logistic regression on the rows of A. Raises
    `ValueError` for labels of one kind, and where scikit-learn is not installed.
    """
    try:
        from scipy.linalg import cholesky, solve_triangular
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise ValueError("head: to fit one to labels or reports, pip install 'earshot[active]'") from error

    if len(np.unique(label_L)) != 2:
        raise ValueError(f"head: came {len(label_L)} labels of one kind, expected some of 0 and some of 1")
    factor_LL = cholesky(kernel_LL + np.float32(JITTER) * np.eye(len(kernel_LL), dtype=np.float32), lower=True)
    found = LogisticRegression(C=1 / penalty, max_iter=ITERATIONS, tol=TOLERANCE).fit(factor_LL, label_L)
    weight_L = solve_triangular(factor_LL, found.coef_[0], trans="T", lower=True)
    return np.asarray(weight_L, np.float32), float(found.intercept_[0])


@dataclass(frozen=True)
class KernelHead:
    """A `engines.active.learner.Head`. Features: senses side by side, of the given widths, each with mean 0.

    weights: as of `likeness`.
    """

    widths: tuple[int, ...]
    penalty: float = PENALTY
    weights: tuple[float, ...] | None = None
    label_LF: Float32 | None = None
    weight_L: Float32 | None = None
    bias: float = 0.0

    def fit(self, feature_LF: Float32, label_L: Float32, _: np.random.Generator) -> KernelHead:
        """As of `Head`. Raises `ValueError` for labels of one kind."""
        weight_L, bias = fitted(likeness(feature_LF, feature_LF, self.widths, self.weights), label_L, self.penalty)
        return replace(self, label_LF=feature_LF, weight_L=weight_L, bias=bias)

    def scores(self, feature_NF: Float32) -> Float32:
        """As of `Head`. Raises `ValueError` before `fit`."""
        return probability(self.logits(feature_NF))

    def logits(self, feature_NF: Float32) -> Float32:
        """float32 (N,), of which `scores` are the sigmoid. Raises `ValueError` before `fit`."""
        if self.label_LF is None or self.weight_L is None:
            raise ValueError("head: came no labels, expected `fit` before `scores`")
        logit_N = np.empty(len(feature_NF), np.float32)
        for part in chunks(len(feature_NF), len(self.label_LF)):
            logit_N[part] = likeness(feature_NF[part], self.label_LF, self.widths, self.weights) @ self.weight_L
        return logit_N + np.float32(self.bias)


@dataclass(frozen=True)
class GramHead:
    """`KernelHead` where all videos are known beforehand and many heads are fitted to them: their kernel is made once.

    kernel_NM: of videos that may be labelled, with all, those first. Features: (N, 1), the place of each among all.
    logit_M: of all videos.
    """

    kernel_NM: Float32
    penalty: float = PENALTY
    logit_M: Float32 | None = None

    def fit(self, feature_LF: Float32, label_L: Float32, _: np.random.Generator) -> GramHead:
        """As of `Head`. Raises `ValueError` for labels of one kind."""
        place_L = _places(feature_LF)
        like_LM = self.kernel_NM[place_L]
        weight_L, bias = fitted(like_LM[:, place_L], label_L, self.penalty)
        return replace(self, logit_M=weight_L @ like_LM + np.float32(bias))

    def scores(self, feature_NF: Float32) -> Float32:
        """As of `Head`. Raises `ValueError` before `fit`."""
        if self.logit_M is None:
            raise ValueError("head: came no labels, expected `fit` before `scores`")
        return probability(self.logit_M[_places(feature_NF)])


def _places(feature_NF: Float32) -> Int64:
    return feature_NF[:, 0].astype(np.int64)


def probability(logit_N: Float32) -> Float32:
    """The sigmoid of log odds, float32 (N,)."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logit_N, -60, 60))), np.float32)


def _unit(row_NV: Float32) -> Float32:
    return np.asarray(row_NV / np.maximum(np.linalg.norm(row_NV, axis=1, keepdims=True), 1e-12), np.float32)
