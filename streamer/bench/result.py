"""What every benchmark returns."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec


class BenchResult(msgspec.Struct, frozen=True, kw_only=True):
    """`ratio` is the median over `runs`; `low` and `high` are the extremes. `detail` holds what explains it."""

    bench: str
    ratio: float
    low: float
    high: float
    runs: int
    detail: dict[str, float | str]

    @classmethod
    def from_ratios(cls, bench: str, ratios: Sequence[float], detail: dict[str, float | str]) -> BenchResult:
        return cls(
            bench=bench,
            ratio=round(statistics.median(ratios), 3),
            low=round(min(ratios), 3),
            high=round(max(ratios), 3),
            runs=len(ratios),
            detail=detail,
        )
