"""How often the statistics are wrong, and how often they find what is there: many simulated experiments, peeked at.

Shape letters: T looks, S simulations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.outcomes.assignment import check_assignment
from engines.outcomes.effect import Moments, effect
from engines.outcomes.experiment import Experiment, Metric
from engines.outcomes.judge import FIRST_LOOK
from engines.outcomes.sequence import mixture, radius
from engines.outcomes.simulate import Planted, simulate

#: 97.5 % point of the normal distribution: what a test that looks once would use.
_ONCE = 1.959964

QUALITY_VIEW_RATE = Metric("quality_view_rate", "quality_views", "views")
REVENUE_PER_VIEW = Metric("revenue_per_view", "revenue", "views")

_NOTHING = Planted()


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of simulations in [0, 1]. An interval is wrong when it excludes the planted effect at any look.

    wrong, found: by the sequence; found: it excluded 0. wrong_if_once: by the interval of a single look, peeked at.
    units_when_found: median of the units at the first look that found it; None where none did.
    mismatches: the assignment was called broken at any of the looks.
    """

    metric: str
    planted: str
    simulations: int
    units: int
    looks: int
    wrong: float
    wrong_if_once: float
    found: float
    units_when_found: float | None
    mismatches: float
    spared: float


@dataclass(frozen=True, slots=True)
class Design:
    """What is simulated, how often and how it is looked at: after every `every` units from the first look on."""

    name: str
    metric: Metric
    planted: Planted
    units: int = 10_000
    simulations: int = 1000
    every: int = 10
    alpha: float = 0.05
    adjusted: bool = True


def designs(simulations: int, units: int) -> list[Design]:
    """Planted nulls, with and without adjustment and with uneven arms; planted effects; a planted mismatch."""

    def of(name: str, metric: Metric, planted: Planted = _NOTHING, *, adjusted: bool = True) -> Design:
        return Design(name, metric, planted, units, simulations, adjusted=adjusted)

    return [
        of("nothing", QUALITY_VIEW_RATE),
        of("nothing", REVENUE_PER_VIEW),
        of("nothing, unadjusted", QUALITY_VIEW_RATE, adjusted=False),
        of("nothing, 10 % treated", QUALITY_VIEW_RATE, Planted(treatment_share=0.1)),
        of("nothing, 10 % treated", REVENUE_PER_VIEW, Planted(treatment_share=0.1)),
        of("+5 %", QUALITY_VIEW_RATE, Planted(quality_lift=0.05)),
        of("+5 %, unadjusted", QUALITY_VIEW_RATE, Planted(quality_lift=0.05), adjusted=False),
        of("+20 %", REVENUE_PER_VIEW, Planted(revenue_lift=0.2)),
        of("5 % of the treatment lost", QUALITY_VIEW_RATE, Planted(treatment_lost=0.05)),
        of("10 % of the treatment lost", QUALITY_VIEW_RATE, Planted(treatment_lost=0.1)),
    ]


def measure(design: Design, seed: int, *, on_simulation: Callable[[], None] = lambda: None) -> Rates:
    """Simulate and look. Equal seeds give equal rates."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(design.simulations):
        rows.append(_looked_at(simulate(design.planted, design.units, rng), design))
        on_simulation()
    wrong_S, once_S, found_S, mismatch_S, spared_S = np.array(rows, np.float64).T
    seen_S = found_S[np.isfinite(found_S)]
    return Rates(
        metric=design.metric.name,
        planted=design.name,
        simulations=design.simulations,
        units=design.units,
        looks=len(_looks(design.units, design.every)),
        wrong=float(wrong_S.mean()),
        wrong_if_once=float(once_S.mean()),
        found=len(seen_S) / design.simulations,
        units_when_found=float(np.median(seen_S)) if len(seen_S) else None,
        mismatches=float(mismatch_S.mean()),
        spared=float(spared_S.mean()),
    )


def _looks(units: int, every: int) -> NDArray[np.int64]:
    return np.append(np.arange(2 * FIRST_LOOK, units, every), units).astype(np.int64)


def _looked_at(experiment: Experiment, design: Design) -> tuple[float, ...]:
    """Wrong, wrong if once, units when found (infinite if never), mismatch, spared."""
    truth = design.planted.difference(design.metric.numerator)
    parts_4N = experiment.parts(design.metric)
    if not design.adjusted:
        parts_4N[2:] = np.array([[0.0], [1.0]])
    looks_T = _looks(experiment.units, design.every)
    arms = [Moments.running(parts_4N, chosen_N, looks_T) for chosen_N in (~experiment.treated_N, experiment.treated_N)]
    came = effect(arms[0], arms[1])
    ready_T = np.minimum(arms[0].units_T, arms[1].units_T) >= FIRST_LOOK
    error_T = np.abs(came.difference_T - truth)[ready_T]
    deviation_T = np.sqrt(came.variance_T / came.units_T)[ready_T]
    rho = mixture(design.alpha, design.units)
    radius_T = radius(came.units_T, came.variance_T, alpha=design.alpha, rho=rho)[ready_T]
    found_T = np.abs(came.difference_T[ready_T]) > radius_T
    mismatch = any(
        check_assignment(int(control), int(treated), design.planted.treatment_share).broken
        for control, treated in zip(arms[0].units_T[::50], arms[1].units_T[::50], strict=True)
    )
    return (
        float((error_T > radius_T).any()),
        float((error_T > _ONCE * deviation_T).any()),
        float(came.units_T[ready_T][found_T.argmax()]) if found_T.any() else np.inf,
        float(mismatch),
        float(1 - came.variance_T[-1] / came.unadjusted_variance_T[-1]),
    )
