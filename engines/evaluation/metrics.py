"""How good scores are: one number for each metric.

The order of clips and of ties never matters. NaN where a metric has no meaning, such as without any positive.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engines.evaluation.curve import Curve

Float = NDArray[np.floating]

#: Clips of a query that NDCG looks at.
NDCG_DEPTH = 10
CALIBRATION_BINS = 15


def average_precision(labels_N: Float, scores_N: Float) -> float:
    """Area under the precision-recall curve as a step function, in [0, 1]; equal scores count as one step."""
    return float(Curve.of(labels_N, scores_N).average_precision()[0])


def recall_at_precision(labels_N: Float, scores_N: Float, precision: float = 0.8) -> float:
    """The highest recall of any threshold whose precision is at least `precision`; 0 where none is."""
    return float(Curve.of(labels_N, scores_N).recall_at_precision(precision)[0])


def recall_at_false_positives(labels_N: Float, scores_N: Float, rate: float = 0.05) -> float:
    """The highest recall of any threshold that calls at most this share of the negatives; no interpolation."""
    return float(Curve.of(labels_N, scores_N).recall_at_false_positives(rate)[0])


def spearman(grades_N: Float, scores_N: Float) -> float:
    """Pearson's correlation of ranks, in [-1, 1]; ties have the mean of their ranks."""
    return float(weighted_spearman(grades_N, scores_N, np.ones((1, len(grades_N))))[0])


def weighted_spearman(grades_N: Float, scores_N: Float, weights_BN: Float) -> NDArray[np.float64]:
    """Spearman's correlation once for each row of weights; whole weights equal copies of clips."""
    firsts_BN, seconds_BN = (_ranks(values_N, weights_BN) for values_N in (grades_N, scores_N))
    total_B1 = weights_BN.sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        for ranks_BN in (firsts_BN, seconds_BN):
            ranks_BN -= np.vecdot(ranks_BN, weights_BN)[:, None] / total_B1
        weighted_BN = seconds_BN * weights_BN
        covariance_B, spread_B = np.vecdot(firsts_BN, weighted_BN), np.vecdot(seconds_BN, weighted_BN)
        firsts_BN *= firsts_BN
        return np.asarray(covariance_B / np.sqrt(np.vecdot(firsts_BN, weights_BN) * spread_B), np.float64)


def weighted_area_under_roc(labels_N: Float, scores_N: Float, weights_BN: Float) -> NDArray[np.float64]:
    """Chance that a positive scores above a negative, a tie counting half, once for each row of weights.

    The rank sum of the positives less what they have among themselves (Mann and Whitney 1947).
    """
    positive_P = np.flatnonzero(labels_N)
    weights_BP = weights_BN[:, positive_P]
    ranks_BP = _ranks(scores_N, weights_BN)[:, positive_P]
    positives_B, all_B = weights_BP.sum(1), weights_BN.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        above_B = (weights_BP * ranks_BP).sum(1) - positives_B**2 / 2
        return np.asarray(above_B / (positives_B * (all_B - positives_B)), np.float64)


def _ranks(values_N: Float, weights_BN: Float) -> NDArray[np.float64]:
    """Weight of all that is less, and half the weight of all that is equal."""
    _, group_N = np.unique(values_N, return_inverse=True)
    order = np.argsort(group_N, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(group_N[order]) != 0, True))
    sorted_BN = np.asarray(weights_BN, np.float64)[:, order]
    upto_BG = sorted_BN.cumsum(1, out=sorted_BN)[:, ends]
    middle_BG = upto_BG.copy()
    middle_BG[:, 1:] += upto_BG[:, :-1]
    middle_BG /= 2
    return middle_BG[:, group_N]


def ndcg(grades_N: Float, scores_N: Float, queries: Sequence[str], depth: int = NDCG_DEPTH) -> float:
    """Mean over queries of the discounted gain of their clips, best first, over that of the ideal order, in [0, 1].

    The clips that share a query are its list. Gain 2^grade - 1, discount log2(place + 1), `depth` places
    (Burges et al. 2005); tied clips share the mean of their places (McSherry and Najork 2008). A query whose clips all
    have one grade cannot be ordered wrongly and does not count.
    """
    return float(weighted_ndcg(grades_N, scores_N, np.ones((1, len(grades_N))), queries, depth)[0])


def weighted_ndcg(
    grades_N: Float, scores_N: Float, weights_BN: Float, queries: Sequence[str], depth: int = NDCG_DEPTH
) -> NDArray[np.float64]:
    """NDCG once for each row of weights: a query weighs the mean of its clips; the order within it stays."""
    _, query_N = np.unique(np.array(queries), return_inverse=True)
    lists = [np.flatnonzero(query_N == q) for q in range(int(query_N.max(initial=-1)) + 1)]
    lists = [list_X for list_X in lists if np.ptp(grades_N[list_X]) > 0]
    if not lists:
        return np.full(len(weights_BN), np.nan)
    gains_Q = [_discounted_gain(grades_N[list_X], scores_N[list_X], depth) for list_X in lists]
    ideals_Q = [_discounted_gain(grades_N[list_X], grades_N[list_X], depth) for list_X in lists]
    weights_BQ = np.stack([weights_BN[:, list_X].mean(1) for list_X in lists], axis=1)
    return np.asarray(weights_BQ @ (np.array(gains_Q) / np.array(ideals_Q)) / weights_BQ.sum(1), np.float64)


def _discounted_gain(grades_X: Float, scores_X: Float, depth: int) -> float:
    order = np.argsort(-scores_X, kind="stable")
    gain_X = 2.0 ** grades_X[order] - 1
    place_X = np.arange(len(gain_X))
    discount_X = np.where(place_X < depth, 1 / np.log2(place_X + 2), 0)
    starts = np.flatnonzero(np.append(True, np.diff(scores_X[order]) != 0))
    sizes = np.diff(np.append(starts, len(gain_X)))
    return float((np.add.reduceat(gain_X, starts) / sizes * np.add.reduceat(discount_X, starts)).sum())


def calibration_error(labels_N: Float, probabilities_N: Float, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error, in [0, 1]: mean distance of what was said from what came, over bins of equal mass."""
    if not len(labels_N):
        return float("nan")
    said_B, came_B, clips_B = reliability(labels_N, probabilities_N, bins)
    return float((np.abs(said_B - came_B) * clips_B).sum() / clips_B.sum())


def reliability(labels_N: Float, probabilities_N: Float, bins: int) -> tuple[Float, Float, NDArray[np.int64]]:
    """Per bin the mean probability, the share of positives and the clips; bins of equal mass by probability.

    Clips of equal probability share the mean of their labels, so a bin's border between them decides nothing.
    """
    probability_G, group_N = np.unique(probabilities_N, return_inverse=True)
    clips_G = np.bincount(group_N)
    share_G = np.bincount(group_N, weights=np.asarray(labels_N, np.float64)) / clips_G
    parts = [part for part in np.array_split(np.sort(group_N), bins) if len(part)]
    said_B = np.array([probability_G[part].mean() for part in parts])
    came_B = np.array([share_G[part].mean() for part in parts])
    return said_B, came_B, np.array([len(part) for part in parts])


def brier(labels_N: Float, probabilities_N: Float) -> float:
    """Mean squared distance of probabilities from labels, in [0, 1]."""
    if not len(labels_N):
        return float("nan")
    return float(np.mean((np.asarray(probabilities_N, np.float64) - labels_N) ** 2))


def best_f1_threshold(labels_N: Float, scores_N: Float) -> float:
    """The score between two neighbours above which F1 = 2 hits / (positives + called) is highest."""
    order = np.argsort(-scores_N, kind="stable")
    sorted_N = np.asarray(scores_N, np.float64)[order]
    hits_N = np.asarray(labels_N, np.float64)[order].cumsum()
    f1_N = 2 * hits_N / (np.arange(1, len(order) + 1) + hits_N[-1])
    best = int(f1_N.argmax())
    below = sorted_N[best + 1] if best + 1 < len(sorted_N) else 0.0
    return float((sorted_N[best] + below) / 2)
