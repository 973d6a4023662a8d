"""The metrics of the tables by name, each for many weightings of the clips of a slice.

Shape letters: N clips of a split, X those of a slice, B weightings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from engines.evaluation.curve import Curve
from engines.evaluation.metrics import NDCG_DEPTH, weighted_area_under_roc, weighted_ndcg, weighted_spearman
from engines.evaluation.slices import Slice
from engines.evaluation.truth import Truth

Float = NDArray[np.floating]
Float64 = NDArray[np.float64]

PRECISION, FALSE_POSITIVES = 0.8, 0.05
AP, RECALL_AT_PRECISION, RECALL_AT_ALARMS, AUC = "AP", "R@P80", "R@5%FP", "AUC"
SPEARMAN, NDCG = "Spearman", f"NDCG@{NDCG_DEPTH}"

#: Weightings at a time: what is made of them stays in the processor's cache.
CHUNK = 128

#: From labels and scores at every threshold.
OF_CURVES: dict[str, Callable[[Curve], Float64]] = {
    AP: lambda curve: curve.average_precision(),
    RECALL_AT_PRECISION: lambda curve: curve.recall_at_precision(PRECISION),
    RECALL_AT_ALARMS: lambda curve: curve.recall_at_false_positives(FALSE_POSITIVES),
}


def measure(
    names: Sequence[str], truth: Truth, part: Slice, scores_N: Float, weights_BN: Float64
) -> dict[str, Float64]:
    """By name the values (B,): from labels and scores, or, of `SPEARMAN` and `NDCG`, from grades and scores."""
    chosen_X = np.flatnonzero(part.chosen_N)
    chunks = [weights_BN[start : start + CHUNK, chosen_X] for start in range(0, len(weights_BN), CHUNK)]
    values = [dict(_measure(names, truth, part, chosen_X, scores_N[chosen_X], weights_BX)) for weights_BX in chunks]
    return {name: np.concatenate([chunk[name] for chunk in values]) for name in names}


def _measure(
    names: Sequence[str], truth: Truth, part: Slice, chosen_X: NDArray[np.int64], scores_X: Float, weights_BX: Float64
) -> Iterator[tuple[str, Float64]]:
    labels_X = truth.labels(part.task)[chosen_X]
    if any(name in OF_CURVES for name in names):
        curve = Curve.of(labels_X, scores_X, weights_BX)
        yield from ((name, OF_CURVES[name](curve)) for name in names if name in OF_CURVES)
    if AUC in names:
        yield AUC, weighted_area_under_roc(labels_X, scores_X, weights_BX)
    grades_X = truth.grades_N[chosen_X]
    if SPEARMAN in names:
        yield SPEARMAN, weighted_spearman(grades_X, scores_X, weights_BX)
    if NDCG in names:
        queries = truth.queries
        yield NDCG, weighted_ndcg(grades_X, scores_X, weights_BX, [queries[n] for n in chosen_X])
