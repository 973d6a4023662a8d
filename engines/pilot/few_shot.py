"""A head from a few dozen labels on what was perceived, and thresholds by cost; judged on held-out videos only.

Shape letters: N videos, V size of a space, F features, R repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from engines.active.pool import FUSED
from engines.active.senses import SensesHead, side_by_side
from engines.active.vectors import Float32

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

FOLDS, REPEATS = 5, 5
#: Fewer videos of either class than this cannot be shared out to folds in a way that says anything.
FEWEST = 5
#: How much of the product of two shipped logits adds to how alike two videos are: as in a logistic regression on both,
#: between what is best where the bundle knows the policy already and what is best where it does not (docs/pilot.md).
TRUST = 0.018
#: Shipped scores closer to 0 or 1 than this are taken for this.
SUREST = 1e-6


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


@dataclass(frozen=True)
class Traits:
    """What a head may read: the shipped scores in [0, 1], the fused embeddings, unit norm, and what each sense made.

    views: by sense (N, V), unit norm, zeros where a video lacks it.
    """

    scores_N: Float64
    embeddings_ND: Float64
    views: Mapping[str, Float64] = field(default_factory=dict)

    def readable(self) -> tuple[SensesHead, Float32]:
        """A head, and its features, (N, F)."""
        sure_N = np.clip(self.scores_N, SUREST, 1 - SUREST)
        widths, rows_NF = side_by_side({FUSED: self.embeddings_ND, **self.views})
        logits_N = np.log(sure_N / (1 - sure_N))
        return SensesHead(widths, TRUST), np.column_stack([logits_N, rows_NF]).astype(np.float32)


def few_shot(traits: Traits, labels_N: Bool, costs: Costs, rng: np.random.Generator) -> HeldOut:
    """Repeated stratified cross-validation; a fold's threshold is chosen on scores held out within its training."""
    scores_RN, called_RN = np.zeros((REPEATS, len(labels_N))), np.zeros((REPEATS, len(labels_N)), bool)
    blank, features_NF = traits.readable()
    targets_N = labels_N.astype(np.float32)
    for repeat in range(REPEATS):
        for train, test in _folds(labels_N, rng):
            head = blank.fit(features_NF[train], targets_N[train], rng)
            held = _held_within(replace(blank, only=head.reads), features_NF[train], labels_N[train], rng)
            scores_RN[repeat, test] = head.logits(features_NF[test])
            called_RN[repeat, test] = scores_RN[repeat, test] >= cheapest_threshold(held, labels_N[train], costs)
    return HeldOut(scores_RN.mean(0), called_RN)


def _held_within(head: SensesHead, features_NF: Float32, labels_N: Bool, rng: np.random.Generator) -> Float64:
    """Log odds of each by heads on the same senses that have not seen it."""
    held_N = np.zeros(len(labels_N))
    for train, test in _folds(labels_N, rng):
        held_N[test] = head.fit(features_NF[train], labels_N[train].astype(np.float32), rng).logits(features_NF[test])
    return held_N


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
