"""How well a taught category does on videos that it was not taught with.

Shape letters: L labelled videos, R repeats.
"""

from __future__ import annotations

import msgspec
import numpy as np

from engines.active.senses import Float64
from engines.calibration import TaskCalibration
from engines.pilot.uncertainty import Reach, share
from engines.taught import Head
from engines.teaching.material import Material


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """found, alarms: of the labelled videos of the category, and of the others, how many reach the task's threshold.

    By heads that were taught without them; means over repeats. average_precision: likewise; `base` is that of chance.
    unlabelled: of the pool's videos without a label, how many reach it; None where there are none.
    """

    threshold: float
    found: Reach
    alarms: Reach
    average_precision: float
    base: float
    unlabelled: Reach | None


def measure(
    material: Material, head: Head, held_RL: Float64, calibration: TaskCalibration, threshold: float
) -> Measured:
    """held_RL: what heads said that were taught without the video. threshold: of the task, in [0, 1]."""
    from sklearn.metrics import average_precision_score

    least = (np.log(threshold / (1 - threshold)) - calibration.bias) * calibration.temperature
    label_L, reach_RL = material.label_L, held_RL >= least
    others = material.others()
    called = int((head.logits(others) >= least).sum()) if others else 0
    return Measured(
        threshold=threshold,
        found=share(float(reach_RL[:, label_L].sum(1).mean()), int(label_L.sum())),
        alarms=share(float(reach_RL[:, ~label_L].sum(1).mean()), int((~label_L).sum())),
        average_precision=float(np.mean([average_precision_score(label_L, held_L) for held_L in held_RL])),
        base=float(label_L.mean()),
        unlabelled=share(called, len(others)) if others else None,
    )
