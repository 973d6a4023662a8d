"""Temperature and bias per task, from clips that training has not seen."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from engines.calibration import SUREST, Calibration, TaskCalibration
from engines.evaluation.metrics import best_f1_threshold
from engines.spec import TASKS

#: Weight of a pull towards the identity, in nats: perfectly separated clips would send the temperature to 0.
PULL = 0.01
NEWTON_STEPS = 30
#: Shares of harmless clips that lie below the two points through which a prior's line is drawn.
RARE = (0.9, 0.99)
#: Of such a line: what is steeper is taken for an accident of few clips.
STEEPEST = 3.0
#: Of a bend: how many bins, how many clips the score before counts as in each, and the least slope between two points.
BINS, TRUST, FLATTEST = 12, 10, 0.01


def calibrate(
    logits_MK: NDArray[np.float32], labels_MK: NDArray[np.float32], earlier: Calibration | None = None
) -> Calibration:
    """The temperature and bias that give the labels the highest likelihood (arXiv 1706.04599); NaN does not count.

    A task without any label keeps what `earlier` says. Raises `ValueError` where that is None.
    """
    tasks = {}
    for k, task in enumerate(TASKS):
        known_M = ~np.isnan(labels_MK[:, k])
        if not known_M.any() and earlier is not None:
            tasks[task] = earlier.tasks[task]
            continue
        if not known_M.any():
            raise ValueError(f"calibration of {task}: came no label, expected one or more")
        try:
            tasks[task] = calibrate_task(
                logits_MK[known_M, k].astype(np.float64), labels_MK[known_M, k].astype(np.float64)
            )
        except ValueError as error:
            raise ValueError(f"{task}, {known_M.sum()} labels to calibrate on: {error}") from error
    return Calibration(tasks=tasks)


def bent(
    calibration: Calibration,
    logits_MK: NDArray[np.float32],
    labels_MK: NDArray[np.float32],
    tasks: Sequence[str] = TASKS,
) -> Calibration:
    """The same with bends of these tasks: isotonic regression over bins of equal mass, pulled towards what was said.

    For scores that temperature and bias cannot mend, and enough labels: some hundreds a task (Zadrozny, Elkan 2002).
    """
    bends = {task: bend for task, bend in calibration.bends.items() if task not in tasks}
    straight = msgspec.structs.replace(calibration, bends=bends)
    scores_MK = straight.scores(logits_MK).astype(np.float64)
    for task in tasks:
        k = TASKS.index(task)
        known_M = ~np.isnan(labels_MK[:, k])
        bends[task] = _bend(scores_MK[known_M, k], labels_MK[known_M, k].astype(np.float64))
    return msgspec.structs.replace(straight, bends=bends)


def _bend(scores_M: NDArray[np.float64], labels_M: NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    bins = [part for part in np.array_split(np.argsort(scores_M, kind="stable"), BINS) if len(part)]
    said_B = np.array([scores_M[part].mean() for part in bins])
    clips_B, positives_B = (np.array([measure(labels_M[part]) for part in bins]) for measure in (len, np.sum))
    came_B = (positives_B + TRUST * said_B) / (clips_B + TRUST)
    rising_B = IsotonicRegression().fit_transform(said_B, came_B, sample_weight=clips_B)
    log_odds_2B = [np.log(values_B / (1 - values_B)) for values_B in np.clip([said_B, rising_B], 1e-6, 1 - 1e-6)]
    points: list[tuple[float, float]] = []
    for before, after in zip(*log_odds_2B, strict=True):
        if not points or before > points[-1][0] + FLATTEST:
            # Steps of isotonic regression would tie clips that the network orders.
            after = max(after, points[-1][1] + FLATTEST * (before - points[-1][0])) if points else after
            points.append((round(float(before), 6), round(float(after), 6)))
    return tuple(points)


def calibrate_prior(priors_M: NDArray[np.float64], log_odds_M: NDArray[np.float64]) -> TaskCalibration:
    """Of what a tower says by itself: turned down until it is no louder among harmless clips than the network.

    A prior was never set beside labels, and its numbers mean something else than the network's: one that is loud
    everywhere drowns the others. Then as rare a prior comes to as rare a score, by a line through two ranks; one that
    is quieter than the network is taken at its word. priors_M in [0, 1] and the network's calibrated log odds, of the
    same harmless clips.
    """
    safe_M = np.clip(priors_M, SUREST, 1 - SUREST)
    low, high = np.quantile(np.log(safe_M / (1 - safe_M)), RARE).tolist()
    own_low, own_high = np.quantile(log_odds_M, RARE).tolist()
    if high <= own_high:
        return TaskCalibration()
    # A prior that hardly varies is shifted; it must not be stretched, as far beyond nothing was measured.
    slope = max((own_high - own_low) / max(high - low, 1e-6), 0.0)
    slope = slope if FLATTEST < slope < STEEPEST else 1.0
    return TaskCalibration(temperature=round(1 / slope, 6), bias=round(own_high - slope * high, 6))


def thresholds(
    scores_MK: NDArray[np.float32], labels_MK: NDArray[np.float32], tasks: Sequence[str] = TASKS
) -> dict[str, float]:
    """The score per task above which F1 is best."""
    chosen = {}
    for task in tasks:
        k = TASKS.index(task)
        known_M = ~np.isnan(labels_MK[:, k])
        chosen[task] = round(best_f1_threshold(labels_MK[known_M, k], scores_MK[known_M, k]), 4)
    return chosen


def calibrate_task(logits_M: NDArray[np.float64], labels_M: NDArray[np.float64]) -> TaskCalibration:
    """Temperature and bias of one task, both (M,); Newton's method with halved steps on the convex loss.

    Raises `ValueError` when higher logits go with fewer positives.
    """
    features_M2 = np.stack([logits_M, np.ones_like(logits_M)], axis=1)
    identity_2 = np.array([1.0, 0.0])

    def loss(weights_2: NDArray[np.float64]) -> float:
        z_M = features_M2 @ weights_2
        return float(np.mean(np.logaddexp(0, z_M) - labels_M * z_M) + PULL / 2 * np.sum((weights_2 - identity_2) ** 2))

    weights_2 = identity_2
    for _ in range(NEWTON_STEPS):
        scores_M = 1 / (1 + np.exp(-np.clip(features_M2 @ weights_2, -40, 40)))
        gradient_2 = features_M2.T @ (scores_M - labels_M) / len(labels_M) + PULL * (weights_2 - identity_2)
        curvature_22 = (features_M2.T * (scores_M * (1 - scores_M))) @ features_M2 / len(labels_M) + PULL * np.eye(2)
        step_2 = np.linalg.solve(curvature_22, gradient_2)
        while loss(weights_2 - step_2) > loss(weights_2) and np.abs(step_2).max() > 1e-9:
            step_2 = step_2 / 2
        weights_2 = weights_2 - step_2
    slope, bias = (float(value) for value in weights_2)
    if slope <= 0:
        raise ValueError(
            f"calibration: slope {slope:.3f}, expected above 0: logits contradict the labels; "
            "train longer, or with more labels"
        )
    return TaskCalibration(temperature=round(1 / slope, 6), bias=round(bias, 6))
