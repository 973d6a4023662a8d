"""How good scores are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


def average_precision(labels_N: Float32, scores_N: Float32) -> float:
    """Area under the precision-recall curve as a step function; equal scores count as one step.

    The order of ties does not matter. NaN where nothing is positive.
    """
    order = np.argsort(-scores_N, kind="stable")
    hits_N = np.asarray(labels_N, np.float64)[order]
    total = hits_N.sum()
    if total == 0:
        return float("nan")
    last_of_tie_N = np.append(np.diff(scores_N[order]) != 0, True)
    found_T = hits_N.cumsum()[last_of_tie_N]
    precision_T = found_T / (np.flatnonzero(last_of_tie_N) + 1)
    return float((np.diff(found_T, prepend=0.0) * precision_T).sum() / total)


def best_f1_threshold(labels_N: Float32, scores_N: Float32) -> float:
    """The score between two neighbours above which F1 = 2 hits / (positives + called) is highest."""
    order = np.argsort(-scores_N, kind="stable")
    sorted_N = np.asarray(scores_N, np.float64)[order]
    hits_N = np.asarray(labels_N, np.float64)[order].cumsum()
    f1_N = 2 * hits_N / (np.arange(1, len(order) + 1) + hits_N[-1])
    best = int(f1_N.argmax())
    below = sorted_N[best + 1] if best + 1 < len(sorted_N) else 0.0
    return float((sorted_N[best] + below) / 2)
