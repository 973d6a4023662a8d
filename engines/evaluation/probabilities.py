"""Test scores as probabilities, calibrated on validation clips.

Shape letters: N test clips whose label is known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.evaluation.study import Study, Subject
from engines.spec import TASKS
from engines.training.calibrate import calibrate_task


def calibrated(study: Study, arm: str, seed: int, task: str) -> tuple[NDArray[np.float32], NDArray[np.float64]] | None:
    """Labels (N,) and probabilities (N,); None where the arm's logits contradict the validation labels."""
    labels_M, logits_M = study.val.labels(task), study.runs[arm][seed].val_MK[:, TASKS.index(task)]
    known_M = ~np.isnan(labels_M)
    try:
        fitted = calibrate_task(logits_M[known_M].astype(np.float64), labels_M[known_M].astype(np.float64))
    except ValueError:
        return None
    labels_N = study.test.labels(task)
    known_N = ~np.isnan(labels_N)
    z_N = study.scores(Subject(arm), seed, task)[known_N].astype(np.float64) / fitted.temperature + fitted.bias
    return labels_N[known_N], 1 / (1 + np.exp(-np.clip(z_N, -40, 40)))
