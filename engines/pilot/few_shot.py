"""A head from a few dozen labels on the fused embeddings, and thresholds by cost; judged on held-out videos only.

Shape letters: N videos, D embedding size, R repeats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

FOLDS, REPEATS = 5, 5
#: Fewer videos of either class than this cannot be shared out to folds in a way that says anything.
FEWEST = 5
#: Inverse strength of the penalty, and how much less of it the shipped logit bears: between what is best where the
#: bundle knows the policy already and what is best where it does not (docs/pilot.md).
INVERSE_PENALTY, LOGIT_WEIGHT = 0.01, 3.0


@dataclass(frozen=True)
class Costs:
    """What is paid for a bad video that passes, and for a good one that is called; both above what is right anyway."""

    miss: float
    false_alarm: float


@dataclass(frozen=True)
class HeldOut:
    """Of each video, by heads and thresholds that have not seen it.

    scores_N: mean over the repeats. called_RN: whether each repeat calls it.
    """

    scores_N: Float64
    called_RN: Bool


def features(embeddings_ND: Float64, scores_N: Float64) -> Float64:
    """float64 (N, D + 1): embeddings of unit norm, so that each value is about 1, and the shipped logits."""
    sure_N = np.clip(scores_N, 1e-6, 1 - 1e-6)
    logits_N = LOGIT_WEIGHT * np.log(sure_N / (1 - sure_N))
    return np.column_stack([embeddings_ND * np.sqrt(embeddings_ND.shape[1]), logits_N])


def head() -> LogisticRegression:
    """Logistic regression under a penalty that 50 videos can bear."""
    return LogisticRegression(C=INVERSE_PENALTY, max_iter=2000)


def few_shot(features_ND: Float64, labels_N: Bool, costs: Costs, rng: np.random.Generator) -> HeldOut:
    """Repeated stratified cross-validation; a fold's threshold is chosen on scores held out within its training."""
    scores_RN, called_RN = np.zeros((REPEATS, len(labels_N))), np.zeros((REPEATS, len(labels_N)), bool)
    for repeat in range(REPEATS):
        for train, test in _folds(labels_N, rng):
            inner = StratifiedKFold(_few(labels_N[train]), shuffle=True, random_state=_seed(rng))
            held = cross_val_predict(head(), features_ND[train], labels_N[train], cv=inner, method="decision_function")
            fitted = head().fit(features_ND[train], labels_N[train])
            scores_RN[repeat, test] = fitted.decision_function(features_ND[test])
            called_RN[repeat, test] = scores_RN[repeat, test] >= cheapest_threshold(held, labels_N[train], costs)
    return HeldOut(scores_RN.mean(0), called_RN)


def by_cost(scores_N: Float64, labels_N: Bool, costs: Costs, rng: np.random.Generator) -> HeldOut:
    """Scores as they are, with thresholds chosen on the other folds."""
    called_RN = np.zeros((REPEATS, len(labels_N)), bool)
    for repeat in range(REPEATS):
        for train, test in _folds(labels_N, rng):
            called_RN[repeat, test] = scores_N[test] >= cheapest_threshold(scores_N[train], labels_N[train], costs)
    return HeldOut(scores_N, called_RN)


def cheapest_threshold(scores_N: Float64, labels_N: Bool, costs: Costs) -> float:
    """The threshold under which misses and false alarms cost least; in the middle between two scores, or infinite."""
    order = np.argsort(-scores_N, kind="stable")
    sorted_N, bad_N = scores_N[order], labels_N[order]
    missed = bad_N.sum() - np.append(0, bad_N.cumsum())
    alarms = np.append(0, (~bad_N).cumsum())
    price = missed * costs.miss + alarms * costs.false_alarm
    price[1:-1][sorted_N[:-1] == sorted_N[1:]] = np.inf  # no threshold parts equal scores
    best = int(price.argmin())
    if best == 0:
        return np.inf
    return -np.inf if best == len(order) else float((sorted_N[best - 1] + sorted_N[best]) / 2)


def _folds(labels_N: Bool, rng: np.random.Generator) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    shuffled = StratifiedKFold(_few(labels_N), shuffle=True, random_state=_seed(rng))
    return list(shuffled.split(np.zeros(len(labels_N)), labels_N))


def _few(labels_N: Bool) -> int:
    """As many folds as the rarer class allows."""
    return int(max(2, min(FOLDS, labels_N.sum(), (~labels_N).sum())))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
