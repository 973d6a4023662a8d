"""Outcomes by unit of assignment, in the order in which they were complete, and the metrics made from them.

Shape letters: N units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

#: What a column is called that holds the same count of a time before the experiment.
BEFORE = "_before"


@dataclass(frozen=True, slots=True)
class Metric:
    """A ratio of two sums: quality views over views. Without a denominator, the mean of units."""

    name: str
    numerator: str
    denominator: str | None = None

    @classmethod
    def parsed(cls, text: str) -> Metric:
        """From "name=numerator/denominator" or "name=numerator". Raises `ValueError`."""
        name, equals, ratio = text.partition("=")
        numerator, slash, denominator = (part.strip() for part in ratio.partition("/"))
        if not (name.strip() and equals and numerator) or (slash and not denominator):
            raise ValueError(f"metric: came {text!r}, expected name=numerator/denominator, as in rate=clicks/views")
        return cls(name.strip(), numerator, denominator or None)

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the log."""
        return (self.numerator,) if self.denominator is None else (self.numerator, self.denominator)


@dataclass(frozen=True)
class Experiment:
    """One entry per unit: whether it is in the treatment arm, and its sums of each column.

    columns: float64 (N,) by name; those of the time before carry `BEFORE` in their name and are 0 for new units.
    """

    treated_N: NDArray[np.bool_]
    columns: Mapping[str, Float64]

    def __post_init__(self) -> None:
        for name, values_N in self.columns.items():
            if values_N.shape != self.treated_N.shape or not np.isfinite(values_N).all():
                raise ValueError(f"{name}: came {values_N.shape}, expected a finite number for each unit")

    @property
    def units(self) -> int:
        """In both arms."""
        return len(self.treated_N)

    def parts(self, metric: Metric) -> NDArray[np.float64]:
        """float64 (4, N): numerator and denominator, then both of the time before.

        All zero where there is no such time: a covariate that is constant adjusts nothing.
        """
        missing = [name for name in metric.columns if name not in self.columns]
        if missing:
            raise ValueError(f"{metric.name}: came no column {missing[0]}, the log has {', '.join(self.columns)}")
        one_N = np.ones(self.units)
        numerator_N = self.columns[metric.numerator]
        denominator_N = one_N if metric.denominator is None else self.columns[metric.denominator]
        known = all(name + BEFORE in self.columns for name in metric.columns)
        before_N = self.columns[metric.numerator + BEFORE] if known else 0 * one_N
        if metric.denominator is None or not known:
            base_N: Any = one_N
        else:
            base_N = self.columns[metric.denominator + BEFORE]
        return np.stack([numerator_N, denominator_N, before_N, base_N])
