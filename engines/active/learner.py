"""The loop of active learning: query, labels, update (in the shape of small-text, Schröder et al. 2023).

Shape letters: N videos, D embedding size, L labelled videos, E members of a committee.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from engines.active.pool import Situation
from engines.active.strategies.protocol import Strategy
from engines.active.vectors import Float32, Int64, named

#: Members of an ensemble, each fitted to labels drawn with replacement.
COMMITTEE = 8


class Head(Protocol):
    """What turns features into P(positive); a fusion network that is tuned can take a logistic regression's place."""

    def fit(self, feature_LD: Float32, label_L: Float32, rng: np.random.Generator, /) -> Self:
        """A head fitted to labels 0 and 1, both of which occur."""

    def scores(self, feature_ND: Float32) -> Float32:
        """P(positive), float32 (N,)."""


@dataclass(frozen=True)
class LogisticHead:
    """Logistic regression; `penalty`: the inverse of scikit-learn's C, on features scaled to unit variance together."""

    penalty: float = 1.0
    weight_D: Float32 | None = None
    bias: float = 0.0

    def fit(self, feature_LD: Float32, label_L: Float32, _: np.random.Generator) -> LogisticHead:
        """As of `Head`. Raises `ValueError` for labels of one kind."""
        from sklearn.linear_model import LogisticRegression

        if len(np.unique(label_L)) != 2:
            raise ValueError(f"head: came {len(label_L)} labels of one kind, expected some of 0 and some of 1")
        scale = 1 / max(1e-6, float(feature_LD.std()))
        fitted = LogisticRegression(C=1 / self.penalty, max_iter=300, tol=1e-3).fit(feature_LD * scale, label_L)
        return replace(self, weight_D=np.asarray(fitted.coef_[0] * scale, np.float32), bias=float(fitted.intercept_[0]))

    def scores(self, feature_ND: Float32) -> Float32:
        """As of `Head`. Raises `ValueError` before `fit`."""
        if self.weight_D is None:
            raise ValueError("head: came no labels, expected `fit` before `scores`")
        return np.asarray(1 / (1 + np.exp(-np.clip(feature_ND @ self.weight_D + self.bias, -60, 60))), np.float32)


def committee(
    head: Head, feature_ND: Float32, label_N: Float32, rng: np.random.Generator, members: int = COMMITTEE
) -> Float32:
    """What each member says of all videos, float32 (E, N): the head fitted to bootstraps of the labels by kind."""
    known = [np.flatnonzero(label_N == label) for label in (0, 1)]
    scores = []
    for _ in range(members):
        drawn = np.concatenate([rng.choice(of_label, len(of_label)) for of_label in known])
        scores.append(head.fit(feature_ND[drawn], label_N[drawn], rng).scores(feature_ND))
    return np.stack(scores)


class Learner:
    """A pool, a head and a strategy. `query` names videos, `update` takes their labels, in turn."""

    def __init__(self, situation: Situation, head: Head, strategy: Strategy, feature_ND: Float32 | None = None) -> None:
        """feature_ND: what the head reads, where that is not the embedding. The situation holds the first labels."""
        self.strategy = strategy
        self.head = head
        self.feature_ND = situation.embedding_ND if feature_ND is None else feature_ND
        self.situation = situation
        self._queried: Int64 | None = None

    def query(self, count: int, rng: np.random.Generator) -> Int64:
        """The next videos to label. Raises `ValueError` while the last ones have no answer."""
        if self._queried is not None:
            raise ValueError(f"learner: {len(self._queried)} videos wait for labels; `update` comes before `query`")
        self._queried = self.strategy.query(self.situation, count, rng)
        return self._queried

    def update(
        self,
        labels: Sequence[int] | Float32,
        rng: np.random.Generator,
        *,
        with_committee: bool = False,
        scored: bool = True,
    ) -> None:
        """The answers, 0 or 1, in the order asked; NaN for a video that nobody could judge. The head is fitted anew.

        Raises `ValueError` for another number of answers, and for an answer that is neither.
        """
        if self._queried is None or len(labels) != len(self._queried):
            asked = 0 if self._queried is None else len(self._queried)
            raise ValueError(f"learner: came {len(labels)} labels for {asked} videos")
        given = np.asarray(labels, np.float32)
        wrong = np.flatnonzero(~np.isnan(given) & (given != 0) & (given != 1))
        if len(wrong):
            raise ValueError(f"labels {named([str(one) for one in labels], wrong)}: expected 0, 1 or NaN")
        label_N = self.situation.label_N.copy()
        label_N[self._queried] = given
        self._queried = None
        self.refit(label_N, rng, with_committee=with_committee, scored=scored)

    def refit(
        self, label_N: Float32, rng: np.random.Generator, *, with_committee: bool = False, scored: bool = True
    ) -> None:
        """Fit the head to these labels; the situation then has its scores, but for `scored` false: the old ones."""
        known = ~np.isnan(label_N)
        self.head = self.head.fit(self.feature_ND[known], label_N[known], rng)
        members = committee(self.head, self.feature_ND, label_N, rng) if with_committee else None
        score_N = self.head.scores(self.feature_ND) if scored else self.situation.score_N
        self.situation = replace(self.situation, label_N=label_N, score_N=score_N, committee_EN=members)
