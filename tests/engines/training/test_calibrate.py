"""Bends mend what temperature and bias cannot, keep the order of clips, and reach verdicts through the calibration."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from engines.calibration import Calibration, TaskCalibration
from engines.spec import TASKS
from engines.training.calibrate import bent, calibrate

Float32 = NDArray[np.float32]


def crooked(seed: int, clips: int = 4000) -> tuple[Float32, Float32]:
    """Logits whose truth is a step: of high ones 0.9 are positive and of low ones 0.3, wherever they lie."""
    rng = np.random.default_rng(seed)
    logits_MK = rng.uniform(-4, 4, (clips, len(TASKS))).astype(np.float32)
    labels_MK = (rng.random(logits_MK.shape) < np.where(logits_MK > 1, 0.9, 0.3)).astype(np.float32)
    return logits_MK, labels_MK


def error(calibration: Calibration, logits_MK: Float32) -> float:
    return float(np.abs(calibration.scores(logits_MK) - np.where(logits_MK > 1, 0.9, 0.3)).mean())


def test_a_bend_mends_what_a_line_cannot() -> None:
    line = calibrate(*crooked(0))
    bend = bent(line, *crooked(0))
    unseen_MK, _ = crooked(1)
    assert error(bend, unseen_MK) < 0.5 * error(line, unseen_MK)


def test_a_bend_keeps_the_order_of_clips() -> None:
    bend = bent(calibrate(*crooked(0)), *crooked(0))
    rising_MK = np.repeat(np.linspace(-12, 12, 500, dtype=np.float32)[:, None], len(TASKS), axis=1)
    scores_MK = bend.scores(rising_MK).astype(np.float64)
    assert (np.diff(scores_MK, axis=0) >= 0).all()
    assert (np.diff(scores_MK[100:400], axis=0) > 0).all()


def test_what_is_right_already_hardly_bends() -> None:
    rng = np.random.default_rng(2)
    logits_MK = rng.normal(0, 2, (4000, len(TASKS))).astype(np.float32)
    labels_MK = (rng.random(logits_MK.shape) < 1 / (1 + np.exp(-logits_MK))).astype(np.float32)
    straight = Calibration.identity()
    assert np.abs(bent(straight, logits_MK, labels_MK).scores(logits_MK) - straight.scores(logits_MK)).max() < 0.08


def test_a_bend_survives_being_stored() -> None:
    bend = bent(calibrate(*crooked(0)), *crooked(0))
    again = msgspec.json.decode(msgspec.json.encode(bend), type=Calibration)
    assert again == bend and again.id == bend.id
    assert b"bends" not in msgspec.json.encode(calibrate(*crooked(0)))


def test_a_category_meets_a_bent_task_at_equal_scores() -> None:
    """A category's logit gets from the task's calibration the score that the category's own gave it."""
    own = TaskCalibration(temperature=1.3, bias=0.4)
    calibration = Calibration(
        tasks=dict.fromkeys(TASKS, own),
        categories={"adult": {"violent": {"audio": TaskCalibration(temperature=2.0, bias=-0.5)}}},
        bends={"adult": ((-2.0, -3.0), (0.0, 0.5), (1.0, 0.8))},
    )
    for prior in (0.01, 0.3, 0.7, 0.99):
        logit = calibration.category_logits("adult", "violent", {"audio": prior})["audio"]
        scores = calibration.scores(np.full((1, len(TASKS)), logit, np.float32))
        log_odds = np.log(prior / (1 - prior)) / 2.0 - 0.5
        assert scores[0, TASKS.index("adult")] == pytest.approx(1 / (1 + np.exp(-log_odds)), abs=1e-5)


@pytest.mark.parametrize("points", [(), ((0.0, 0.0), (1.0, -1.0)), ((1.0, 0.0), (0.0, 1.0)), ((0.0, float("nan")),)])
def test_a_bend_that_does_not_rise_is_refused(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        Calibration(tasks=dict.fromkeys(TASKS, TaskCalibration()), bends={"adult": points})
