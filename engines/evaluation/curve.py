"""Hits and false alarms at every threshold, for many weightings of the clips at once.

Shape letters: N clips, T thresholds (one for each distinct score, highest first), B weightings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating]

#: Sums of weights that should be equal are, up to rounding.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Curve:
    """Weight of the positives and of the negatives that score at or above each threshold, float64 (B, T).

    Thresholds are the distinct scores of positives: any other has the recall of the next of these, and more alarms.
    Whole weights equal copies of clips. negatives_B: weight of all negatives.
    """

    hits_BT: NDArray[np.float64]
    alarms_BT: NDArray[np.float64]
    negatives_B: NDArray[np.float64]

    @classmethod
    def of(cls, labels_N: Float, scores_N: Float, weights_BN: Float | None = None) -> Curve:
        """Labels are 0 or 1; without weights every clip counts once."""
        weights_BN = np.ones((1, len(labels_N))) if weights_BN is None else weights_BN
        order = np.argsort(-scores_N, kind="stable")
        sorted_BN = np.asarray(weights_BN, np.float64)[:, order]
        positive_P = np.flatnonzero(labels_N[order])
        last_P = np.append(np.diff(scores_N[order][positive_P]) != 0, True)[: len(positive_P)]
        end_T = np.searchsorted(-scores_N[order], -scores_N[order][positive_P[last_P]], side="right") - 1
        hits_BT = sorted_BN[:, positive_P].cumsum(1)[:, last_P]
        upto_BN = sorted_BN.cumsum(1, out=sorted_BN)
        return cls(hits_BT, upto_BN[:, end_T] - hits_BT, upto_BN[:, -1:].sum(1) - hits_BT[:, -1:].sum(1))

    def average_precision(self) -> NDArray[np.float64]:
        """Area under precision over recall as a step function; NaN where nothing is positive."""
        found_BT = np.diff(self.hits_BT, axis=1, prepend=0.0)
        return _ratio((found_BT * self.precision()).sum(1), self.hits_BT[:, -1:].sum(1))

    def recall_at_precision(self, precision: float) -> NDArray[np.float64]:
        """Highest recall of the thresholds of at least this precision; 0 where none is."""
        good_BT = self.hits_BT >= precision * (self.hits_BT + self.alarms_BT) * (1 - ROUNDING)
        return self._best_recall(good_BT)

    def recall_at_false_positives(self, rate: float) -> NDArray[np.float64]:
        """Highest recall of the thresholds that call at most this share of the negatives."""
        good_BT = self.alarms_BT <= rate * self.negatives_B[:, None] * (1 + ROUNDING) + ROUNDING
        return self._best_recall(good_BT)

    def precision(self) -> NDArray[np.float64]:
        """0 where nothing that is called has any weight."""
        called_BT = self.hits_BT + self.alarms_BT
        return np.divide(self.hits_BT, called_BT, out=np.zeros_like(called_BT), where=called_BT > 0)

    def _best_recall(self, good_BT: NDArray[np.bool_]) -> NDArray[np.float64]:
        return _ratio((self.hits_BT * good_BT).max(1, initial=0.0), self.hits_BT[:, -1:].sum(1))


def _ratio(parts_B: NDArray[np.float64], wholes_B: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio_B = np.full(len(wholes_B), np.nan)
    np.divide(parts_B, wholes_B, out=ratio_B, where=wholes_B > 0)
    return ratio_B
