"""Truth of a split of a composed data set as arrays.

Shape letters: N clips of the split, K tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.data.public.manifest import RELEVANT, Row
from engines.spec import TASKS


@dataclass(frozen=True, slots=True)
class Truth:
    """labels_NK: float32, 0, 1 or NaN. grades_N: float32, relevance 0 to 3 or NaN."""

    rows: tuple[Row, ...]
    labels_NK: NDArray[np.float32]
    grades_N: NDArray[np.float32]

    @classmethod
    def of(cls, rows: Sequence[Row], split: str) -> Truth:
        """The rows of one split, in their order. Raises `ValueError` when there are none."""
        kept = tuple(row for row in rows if row.split == split)
        if not kept:
            raise ValueError(f"data set: came no clip of split {split!r}, expected some; compose it again")
        raw_NK = np.array([[_number(getattr(row.labels, task)) for task in TASKS] for row in kept], np.float32)
        k = TASKS.index("relevance")
        grades_N = raw_NK[:, k].copy()
        raw_NK[:, k] = np.where(np.isnan(grades_N), np.nan, grades_N >= RELEVANT)
        return cls(kept, raw_NK, grades_N)

    def labels(self, task: str) -> NDArray[np.float32]:
        """float32 (N,): 0, 1 or NaN."""
        return self.labels_NK[:, TASKS.index(task)]

    def evidence(self, task: str) -> NDArray[np.str_]:
        """By which sense a label is decided, (N,); empty where nobody says."""
        return np.array([row.evidence.get(task, "") for row in self.rows])

    @property
    def queries(self) -> list[str]:
        """Clips of one list for NDCG: those that were asked about the same topic."""
        return [row.query_topic or row.query or "" for row in self.rows]

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """The sources of each clip."""
        return [row.groups for row in self.rows]


def _number(label: int | None) -> float:
    return float("nan") if label is None else float(label)
