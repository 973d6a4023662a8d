"""Logs of experiments whose truth is planted: to prove the statistics, and to try the command without data.

A unit is a viewer: heavy and light ones (views are Poisson with a gamma mean), with a taste of their own for what they
call quality and an inclination to pay (both beta), which they had before the experiment too; most bring no revenue, few
bring much (lognormal).

Shape letters: N units.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from scipy.stats import beta

from engines.data.rows import write_whole
from engines.outcomes.experiment import BEFORE, Experiment, Float64

#: Means of a viewer's views, of the share that is quality, of the share that pays, and of what a paying view brings.
MEAN_VIEWS, QUALITY, PAYING, MEAN_REVENUE = 8.0, 0.45, 0.1, 0.05
#: Of the beta distributions of tastes and of inclinations to pay: the smaller, the more viewers differ.
TASTE_CONCENTRATION, PAYING_CONCENTRATION = 4.0, 3.0
#: Standard deviation of the logarithm of what a paying view brings.
REVENUE_SPREAD = 0.8


@dataclass(frozen=True, slots=True)
class Planted:
    """The truth of a simulated experiment.

    quality_lift, revenue_lift: relative change of quality view rate and revenue per view under the treatment.
    treatment_lost: share of the treatment's units that never reach the log, in [0, 1): a sample ratio mismatch.
    """

    quality_lift: float = 0.0
    revenue_lift: float = 0.0
    treatment_lost: float = 0.0
    treatment_share: float = 0.5

    def __post_init__(self) -> None:
        if not (-1 <= self.quality_lift <= 1 / QUALITY - 1 and self.revenue_lift >= -1):
            raise ValueError(f"lifts: came {self.quality_lift} and {self.revenue_lift}, expected rates that can be")
        if not (0 <= self.treatment_lost < 1 and 0 < self.treatment_share < 1):
            raise ValueError(
                f"shares: came {self.treatment_lost} lost of {self.treatment_share}, expected parts of the whole"
            )

    def difference(self, numerator: str) -> float:
        """Treatment - control of the sums of that column over views, in expectation: activity knows of no taste."""
        if numerator == "revenue":
            return PAYING * MEAN_REVENUE * self.revenue_lift
        taste = beta(QUALITY * TASTE_CONCENTRATION, (1 - QUALITY) * TASTE_CONCENTRATION)
        return float(taste.expect(lambda share: np.minimum(share * (1 + self.quality_lift), 1.0) - share))


def simulate(planted: Planted, units: int, rng: np.random.Generator) -> Experiment:
    """Outcomes of `units` viewers, less those that were lost."""
    treated_N = rng.random(units) < planted.treatment_share
    kept_N = ~(treated_N & (rng.random(units) < planted.treatment_lost))
    treated_N = treated_N[kept_N]
    n = len(treated_N)
    viewers = _Viewers(
        rng.gamma(2.0, (MEAN_VIEWS - 1) / 2.0, n),
        rng.beta(QUALITY * TASTE_CONCENTRATION, (1 - QUALITY) * TASTE_CONCENTRATION, n),
        rng.beta(PAYING * PAYING_CONCENTRATION, (1 - PAYING) * PAYING_CONCENTRATION, n),
    )
    before = viewers.outcomes(np.ones(n), np.ones(n), rng)
    quality_N, revenue_N = (np.where(treated_N, 1 + lift, 1.0) for lift in (planted.quality_lift, planted.revenue_lift))
    after = viewers.outcomes(quality_N, revenue_N, rng)
    return Experiment(treated_N, after | {name + BEFORE: values_N for name, values_N in before.items()})


def write_log(experiment: Experiment, path: Path) -> None:
    """The log as a company would have it, CSV or JSONL: one row a unit, a minute apart, in the order of completion."""
    rows = [
        {"unit": f"viewer-{n:07d}", "arm": "treatment" if treated else "control", "at": 60 * n}
        | {name: _number(values_N[n]) for name, values_N in experiment.columns.items()}
        for n, treated in enumerate(experiment.treated_N)
    ]
    if path.suffix == ".jsonl":
        write_whole(path, msgspec.json.Encoder().encode_lines(rows))
    elif path.suffix == ".csv":
        lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
        write_whole(path, ("\n".join(lines) + "\n").encode())
    else:
        raise ValueError(f"{path}: came a file {path.suffix or 'without ending'}, expected .csv or .jsonl")


def _number(value: float) -> int | float:
    return int(value) if float(value).is_integer() else round(float(value), 4)


@dataclass(frozen=True)
class _Viewers:
    """What stays with a viewer. views_N: mean of all but the first; taste_N, paying_N: chances of each view."""

    views_N: Float64
    taste_N: Float64
    paying_N: Float64

    def outcomes(self, quality_N: Float64, revenue_N: Float64, rng: np.random.Generator) -> dict[str, Float64]:
        """Sums over one period, with tastes and payments multiplied. Nobody has no view."""
        views_N = 1 + rng.poisson(self.views_N)
        liked_N = rng.binomial(views_N, np.minimum(self.taste_N * quality_N, 1.0))
        # The mean of a lognormal is its median times exp(s^2 / 2).
        median = MEAN_REVENUE / np.exp(REVENUE_SPREAD**2 / 2)
        payments_N = rng.binomial(views_N, self.paying_N)
        paid_N = payments_N * median * rng.lognormal(0.0, REVENUE_SPREAD, len(views_N)) * revenue_N
        return {"views": views_N.astype(float), "quality_views": liked_N.astype(float), "revenue": paid_N}
