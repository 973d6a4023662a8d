"""How well a taught category does on videos that it was not taught with.

Shape letters: L labelled videos, R repeats.
"""

from __future__ import annotations

import msgspec
import numpy as np

from engines.active.senses import Bool, Float64
from engines.calibration import TaskCalibration
from engines.pilot.uncertainty import Reach, share
from engines.taught import Head
from engines.teaching.material import Material

#: Standard deviations that chance exceeds once in twenty times.
ONE_IN_TWENTY = 1.645
#: Thresholds closer to 0 or 1 than this are taken for this.
SUREST = 1e-6


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """found, alarms: of the labelled videos of the category, and of the others, how many reach the task's threshold.

    By heads that were taught without them; means over repeats; who lacks what a head reads does not reach it.
    average_precision: likewise; `base` is that of chance.
    unlabelled: of the pool's videos without a label, how many reach it; None where there are none.
    """

    threshold: float
    found: Reach
    alarms: Reach
    average_precision: float
    base: float
    unlabelled: Reach | None


def is_told(held_RL: Float64, label_L: Bool) -> bool:
    """Whether unseen videos of the category are above others more often than chance has it in 19 cases of 20.

    Mann and Whitney's statistic, by its normal approximation; videos of which heads know nothing (NaN) are below all.
    """
    said_L = np.nan_to_num(held_RL.mean(axis=0), nan=-np.inf)
    yes_Y, no_X = said_L[label_L, None], said_L[None, ~label_L]
    above = float((yes_Y > no_X).mean() + (yes_Y == no_X).mean() / 2)
    spread = np.sqrt((len(label_L) + 1) / (12 * yes_Y.size * no_X.size))
    return bool(above - 0.5 > ONE_IN_TWENTY * spread)


def measure(
    material: Material, head: Head, held_RL: Float64, calibration: TaskCalibration, threshold: float
) -> Measured:
    """held_RL: what heads said that were taught without the video. threshold: of the task, in [0, 1]."""
    from sklearn.metrics import average_precision_score

    threshold = float(np.clip(threshold, SUREST, 1 - SUREST))
    least = (np.log(threshold / (1 - threshold)) - calibration.bias) * calibration.temperature
    label_L, said_RL = material.label_L, np.nan_to_num(held_RL, nan=-np.inf)
    reach_RL = said_RL >= least
    ranks_RL = said_RL.argsort(axis=1).argsort(axis=1)
    others = material.others()
    called = int((head.logits(others) >= least).sum()) if others else 0
    return Measured(
        threshold=threshold,
        found=share(float(reach_RL[:, label_L].sum(1).mean()), int(label_L.sum())),
        alarms=share(float(reach_RL[:, ~label_L].sum(1).mean()), int((~label_L).sum())),
        average_precision=float(np.mean([average_precision_score(label_L, rank_L) for rank_L in ranks_RL])),
        base=float(label_L.mean()),
        unlabelled=share(called, len(others)) if others else None,
    )
