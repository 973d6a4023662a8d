"""Whether units were put into arms as planned: a sample ratio mismatch voids whatever the outcomes say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

#: A healthy experiment is called broken once in a thousand looks. Fabijan et al., "Diagnosing sample ratio mismatch in
#: online controlled experiments" (KDD 2019), ask for so strict a level, as the answer is to throw data away.
MISMATCH_LEVEL = 0.001


@dataclass(frozen=True, slots=True)
class Assignment:
    """Units that came in each arm, those planned, and how likely so large a difference is by chance."""

    control: int
    treatment: int
    planned_share: float
    p_value: float

    @property
    def broken(self) -> bool:
        """Whether chance does not explain the difference."""
        return self.p_value < MISMATCH_LEVEL


def check_assignment(control: int, treatment: int, planned_share: float) -> Assignment:
    """Pearson's chi-square test of both counts against the planned share of the treatment, in (0, 1)."""
    if not 0 < planned_share < 1:
        raise ValueError(f"share of the treatment: came {planned_share}, expected one between 0 and 1")
    came_2 = np.array([control, treatment], float)
    planned_2 = came_2.sum() * np.array([1 - planned_share, planned_share])
    statistic = float(((came_2 - planned_2) ** 2 / np.maximum(planned_2, 1e-12)).sum())
    return Assignment(control, treatment, planned_share, float(chi2.sf(statistic, 1)))
