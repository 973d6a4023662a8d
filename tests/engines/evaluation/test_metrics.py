"""Average precision, thresholds and calibration against answers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engines.calibration import Calibration, TaskCalibration
from engines.evaluation.metrics import average_precision, best_f1_threshold
from engines.spec import TASKS
from engines.training.calibrate import calibrate, thresholds


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_average_precision_by_hand() -> None:
    assert average_precision(floats(1, 0, 1, 0), floats(4, 3, 2, 1)) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert average_precision(floats(1, 1, 0, 0), floats(4, 3, 2, 1)) == 1.0
    assert average_precision(floats(0, 0, 0, 1), floats(4, 3, 2, 1)) == pytest.approx(1 / 4)


def test_ties_count_as_one_step_in_any_order() -> None:
    for labels in ([1, 0, 0, 1], [0, 1, 1, 0]):
        assert average_precision(floats(*labels), floats(1, 1, 1, 1)) == pytest.approx(0.5)


def test_no_positive_has_no_average_precision() -> None:
    assert math.isnan(average_precision(floats(0, 0), floats(1, 2)))


def test_threshold_lies_between_the_classes() -> None:
    assert best_f1_threshold(floats(0, 0, 1, 1), floats(0.1, 0.2, 0.7, 0.9)) == pytest.approx(0.45)


def test_calibration_recovers_temperature_and_bias() -> None:
    rng = np.random.default_rng(0)
    true_logits_M = rng.normal(0, 2, 20_000)
    labels_M = (rng.random(20_000) < 1 / (1 + np.exp(-true_logits_M))).astype(np.float32)
    logits_MK = np.repeat(((true_logits_M - 0.5) * 3)[:, None], 3, axis=1).astype(np.float32)
    fitted = calibrate(logits_MK, np.repeat(labels_M[:, None], 3, axis=1))
    for task in TASKS:
        assert fitted.tasks[task].temperature == pytest.approx(3, rel=0.1)
        assert fitted.tasks[task].bias == pytest.approx(0.5, abs=0.1)


def test_perfectly_separated_logits_stay_finite() -> None:
    logits_MK = np.repeat(floats(-5, -4, 4, 5)[:, None], 3, axis=1)
    labels_MK = np.repeat(floats(0, 0, 1, 1)[:, None], 3, axis=1)
    fitted = calibrate(logits_MK, labels_MK)
    assert all(0.05 < task.temperature < 2 for task in fitted.tasks.values())
    assert all(0 < value < 1 for value in thresholds(fitted.scores(logits_MK), labels_MK).values())


def test_unasked_labels_do_not_count() -> None:
    logits_MK = np.repeat(floats(-5, -4, 4, 5, 100)[:, None], 3, axis=1)
    labels_MK = np.repeat(floats(0, 0, 1, 1, np.nan)[:, None], 3, axis=1)
    assert calibrate(logits_MK, labels_MK) == calibrate(logits_MK[:4], labels_MK[:4])


def test_scores_stay_in_range_for_any_logit() -> None:
    calibration = Calibration(tasks={task: TaskCalibration(temperature=0.001) for task in TASKS})
    scores_NK = calibration.scores(floats(-1e9, 0, 1e9)[:, None].repeat(3, axis=1))
    assert scores_NK.dtype == np.float32
    assert scores_NK[:, 0].tolist() == pytest.approx([0, 0.5, 1])
