"""One number that was measured, and the goal that it has."""

from __future__ import annotations

import msgspec


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One number. `least` is the goal that it has to reach, None where it is only reported; `detail` explains it."""

    what: str
    value: float
    unit: str
    least: float | None = None
    most: float | None = None
    detail: str = ""

    @property
    def goal(self) -> str:
        """In words; empty where there is none."""
        if self.least is not None:
            return f">= {self.least:g}"
        return "" if self.most is None else f"<= {self.most:g}"

    @property
    def met(self) -> str:
        """Yes, no, or nothing where there is no goal."""
        if not self.goal:
            return ""
        good = self.value >= self.least if self.least is not None else self.value <= (self.most or 0.0)
        return "yes" if good else "no"
