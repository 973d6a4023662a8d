"""Do scores still mean what they meant? How far they move, and how well they fit what came.

Shape letters: M inputs, K tasks.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.evaluation.metrics import calibration_error
from engines.gate.compared import Compared
from engines.spec import TASKS

#: A task's mean score may move by so much; a shift counts when it is further by two standard errors.
MOST_SHIFT, STANDARD_ERRORS = 0.01, 2.0


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """Of one task's scores, candidate - reference: mean with its standard error, mean absolute, largest absolute.

    apart: expected calibration error of the candidate's scores with the reference's as the truth; 0 where the same is
    said. labels: inputs whose label is known; candidate_error, reference_error: expected calibration error of each on
    these, rise: their difference; None without labels. All errors over bins of equal mass, in [0, 1].
    """

    task: str
    mean: float
    standard_error: float
    mean_absolute: float
    largest: float
    apart: float
    labels: int
    candidate_error: float | None = None
    reference_error: float | None = None
    rise: float | None = None

    @property
    def offends(self) -> bool:
        """Whether the mean moves further than it may, beyond doubt."""
        return abs(self.mean) - STANDARD_ERRORS * self.standard_error > MOST_SHIFT


def measure_shift(compared: Compared) -> list[Shift]:
    """Of each task."""
    scores = (compared.candidate_MK.astype(np.float64), compared.reference_MK.astype(np.float64))
    return [
        _shift(task, scores[0][:, k], scores[1][:, k], compared.labels_MK[:, k].astype(np.float64))
        for k, task in enumerate(TASKS)
    ]


def reasons(shifts: Iterable[Shift]) -> list[str]:
    """Why the shift speaks against a candidate."""
    return [
        f"{shift.task}: scores move by {shift.mean:+.3f} on average (standard error {shift.standard_error:.3f}), at "
        f"most {MOST_SHIFT} may be"
        for shift in shifts
        if shift.offends
    ]


def _shift(
    task: str, candidate_M: NDArray[np.float64], reference_M: NDArray[np.float64], labels_M: NDArray[np.float64]
) -> Shift:
    difference_M = candidate_M - reference_M
    # Of a single difference nobody knows how much of it is chance: all of it may be.
    spread = float(difference_M.std(ddof=1)) if len(difference_M) > 1 else float(np.abs(difference_M).max())
    known_M = ~np.isnan(labels_M)
    shift = Shift(
        task=task,
        mean=float(difference_M.mean()),
        standard_error=spread / len(difference_M) ** 0.5,
        mean_absolute=float(np.abs(difference_M).mean()),
        largest=float(np.abs(difference_M).max()),
        apart=calibration_error(reference_M, candidate_M),
        labels=int(known_M.sum()),
    )
    if not shift.labels:
        return shift
    own, other = (calibration_error(labels_M[known_M], scores_M[known_M]) for scores_M in (candidate_M, reference_M))
    return msgspec.structs.replace(shift, candidate_error=own, reference_error=other, rise=own - other)
