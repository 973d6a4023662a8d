"""Logs of outcomes, and where the arms are known from verdicts both, to one entry per unit of assignment."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from engines.data.rows import Bad, Good, read_rows
from engines.outcomes.cells import inside, number, seconds, text
from engines.outcomes.experiment import BEFORE, Experiment


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns say what. `arm` may be a path into an object: lineage.bundle_id. `at` is left out where unknown.

    control, treatment: the values of `arm` that are compared; units of other arms are counted and left out.
    """

    columns: tuple[str, ...]
    unit: str = "unit"
    arm: str = "arm"
    at: str = "at"
    control: str = "control"
    treatment: str = "treatment"


@dataclass(frozen=True)
class Log:
    """What was read: units in the order of their last row, rows that cannot be used, units of other arms."""

    experiment: Experiment
    rejected: tuple[Bad, ...]
    other_arms: int


@dataclass(frozen=True)
class Table:
    """Rows from wherever they come, to be read once, and what people call the place."""

    name: str
    rows: Iterable[Good | Bad]


def read_log(outcomes: Path, layout: Layout, arms: Path | None = None) -> Log:
    """The log of a table. `arms`: verdicts or another table that knows each unit's arm. Raises as `log_of` does."""
    known = None if arms is None else Table(arms.name, read_rows(arms))
    return log_of(Table(str(outcomes), read_rows(outcomes)), layout, known)


def log_of(outcomes: Table, layout: Layout, arms: Table | None = None) -> Log:
    """Sum the rows of each unit. `arms`: where each unit's arm is known, if the outcomes do not know it.

    A broken row, a unit in two arms and a unit without an arm are rejected, and the others go on. Raises `ValueError`
    when nothing is left.
    """
    reading = _Reading(layout, None if arms is None else _Arms(layout).read(arms))
    for row in outcomes.rows:
        reading.take(row)
    return reading.log(outcomes.name)


@dataclass
class _Arms:
    layout: Layout
    known: dict[str, str] = field(default_factory=dict)
    torn: set[str] = field(default_factory=set)
    rejected: list[Bad] = field(default_factory=list)

    def read(self, table: Table) -> _Arms:
        for row in table.rows:
            if isinstance(row, Bad):
                self.rejected.append(Bad(f"{table.name}, {row.place}", row.problem, row.row))
                continue
            unit, arm = text(row.cells.get(self.layout.unit)), text(inside(row.cells, self.layout.arm))
            if not unit or not arm:
                problem = f"came no {self.layout.arm if unit else self.layout.unit}, expected one"
                self.rejected.append(Bad(f"{table.name}, {row.place}", problem, row.cells))
            elif self.known.setdefault(unit, arm) != arm:
                self.torn.add(unit)
        if not self.known:
            raise ValueError(f"{table.name}: came no row with {self.layout.unit} and {self.layout.arm}, expected some")
        return self


@dataclass
class _Reading:
    layout: Layout
    arms: _Arms | None
    arm_of: dict[str, str] = field(default_factory=dict)
    at_of: dict[str, float] = field(default_factory=dict)
    sums: dict[str, dict[str, float]] = field(default_factory=dict)
    rejected: list[Bad] = field(default_factory=list)
    torn: set[str] = field(default_factory=set)
    found: set[str] = field(default_factory=set)
    rows: int = 0

    def take(self, row: Good | Bad) -> None:
        if isinstance(row, Bad):
            self.rejected.append(row)
            return
        self.rows += 1
        unit = text(row.cells.get(self.layout.unit))
        try:
            if not unit:
                raise ValueError(f"{self.layout.unit}: came nothing, expected the unit of assignment")
            arm, values, at = self._arm(unit, row.cells), self._values(row.cells), self._at(row.cells)
        except ValueError as error:
            self.rejected.append(Bad(row.place, str(error), row.cells))
            return
        if self.arm_of.setdefault(unit, arm) != arm:
            self.torn.add(unit)
        self.at_of[unit] = max(at, self.at_of.get(unit, -math.inf))
        sums = self.sums.setdefault(unit, {})
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + value

    def log(self, outcomes: str) -> Log:
        layout = self.layout
        torn = self.torn | (self.arms.torn & self.arm_of.keys() if self.arms else set())
        self.rejected += [Bad(f"unit {unit}", "is in more than one arm, expected one") for unit in sorted(torn)]
        compared = {layout.control: False, layout.treatment: True}
        whole = [unit for unit in self.arm_of if unit not in torn]
        units = sorted((unit for unit in whole if self.arm_of[unit] in compared), key=lambda unit: self.at_of[unit])
        absent = sorted(compared.keys() - {self.arm_of[unit] for unit in units})
        if absent:
            came = ", ".join(sorted(set(self.arm_of.values()))[:5]) or "none"
            first = f"; first broken row: {self.rejected[0].place}: {self.rejected[0].problem}" if self.rejected else ""
            raise ValueError(f"{outcomes}: came no unit of {' and '.join(absent)}; the arms are {came}{first}")
        treated_N = np.array([compared[self.arm_of[unit]] for unit in units])
        columns = {name: np.array([self.sums[unit].get(name, 0.0) for unit in units]) for name in self._columns()}
        rejected = (*(self.arms.rejected if self.arms else ()), *self.rejected)
        return Log(Experiment(treated_N, columns), rejected, len(whole) - len(units))

    def _columns(self) -> list[str]:
        return [*self.layout.columns, *sorted(self.found)]

    def _arm(self, unit: str, cells: Mapping[str, Any]) -> str:
        arm = text(inside(cells, self.layout.arm)) if self.arms is None else self.arms.known.get(unit, "")
        if not arm:
            where = self.layout.arm if self.arms is None else "the table of arms"
            raise ValueError(f"{where}: came no arm of {unit[:60]}, expected one")
        return arm

    def _values(self, cells: Mapping[str, Any]) -> dict[str, float]:
        values = {name: number(name, cells.get(name)) for name in self.layout.columns}
        for name in self.layout.columns:
            before = name + BEFORE
            if cells.get(before) not in (None, ""):
                values[before] = number(before, cells[before])
                self.found.add(before)
        return values

    def _at(self, cells: Mapping[str, Any]) -> float:
        """Seconds; without the column the place in the file."""
        value = cells.get(self.layout.at)
        return float(self.rows) if value in (None, "") else seconds(self.layout.at, value)


def metric_columns(names: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Each column once, in order."""
    return tuple(dict.fromkeys(name for columns in names for name in columns))
