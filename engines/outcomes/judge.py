"""Ship, stop or go on: what an experiment says so far, with the reason. Pure.

The same look may be taken after every unit: intervals are confidence sequences (`sequence.py`).

Shape letters: T looks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from engines.outcomes.assignment import Assignment, check_assignment
from engines.outcomes.effect import Effect, Float64, Moments, effect
from engines.outcomes.experiment import Experiment, Metric
from engines.outcomes.sequence import mixture, radius, units_needed

Answer = Literal["ship", "stop", "go on"]

#: Units of the smaller arm below which nothing is decided: the sequences are asymptotic (measured in docs/ab.md).
FIRST_LOOK = 200
#: Looks that are drawn.
LOOKS = 200


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A metric that the treatment must not lower by more than `margin`, a share of control's value in [0, 1)."""

    metric: Metric
    margin: float

    @classmethod
    def parsed(cls, text: str) -> Guardrail:
        """From "name=numerator/denominator:1%". Raises `ValueError`."""
        metric, colon, share = text.rpartition(":")
        try:
            margin = float(share.removesuffix("%")) / 100 if share.endswith("%") else float(share)
        except ValueError:
            margin = -1.0
        if not colon or not 0 <= margin < 1:
            raise ValueError(f"guardrail: came {text!r}, expected name=numerator/denominator:1%")
        return cls(Metric.parsed(metric), margin)


@dataclass(frozen=True, slots=True)
class Plan:
    """What was agreed before the experiment. alpha: error of each interval, over all looks and both sides.

    worthwhile: the least relative gain of the goal that is worth shipping. planned_units: where intervals are
    narrowest.
    """

    goal: Metric
    guardrails: tuple[Guardrail, ...] = ()
    treatment_share: float = 0.5
    alpha: float = 0.05
    planned_units: int = 10_000
    worthwhile: float = 0.0


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One metric. low, high: the interval of `difference`, treatment - control, valid at every look.

    lift: relative to control. spared: share of the variance that the time before took away, in [0, 1].
    margin: of a guardrail; held: whether its interval is above (True) or below (False) the margin; None: open.
    units_needed: about how many decide it, were the effect as it looks now; None where that is never.
    """

    name: str
    control: float
    treatment: float
    difference: float
    low: float
    high: float
    lift: float
    lift_low: float
    lift_high: float
    spared: float
    margin: float | None = None
    held: bool | None = None
    units_needed: int | None = None


class Course(msgspec.Struct, frozen=True):
    """A metric's relative lift and its interval at each look, for a plot."""

    units: tuple[int, ...]
    lift: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, why, and all that it rests on."""

    answer: Answer
    reason: str
    control_units: int
    treatment_units: int
    assignment_p: float
    assignment_broken: bool
    goal: Finding
    guardrails: tuple[Finding, ...]
    courses: dict[str, Course]


def judge(experiment: Experiment, plan: Plan) -> Judged:
    """What the outcomes so far say. Raises `ValueError` when an arm has fewer than two units or no such column."""
    treated = int(experiment.treated_N.sum())
    control = experiment.units - treated
    if min(control, treated) < 2:
        raise ValueError(f"came {control} units of control and {treated} of the treatment, expected two or more each")
    assignment = check_assignment(control, treated, plan.treatment_share)
    goal, course = _measured(experiment, plan, plan.goal, 1.0 + plan.worthwhile)
    measured = [(rail, *_measured(experiment, plan, rail.metric, 1.0 - rail.margin)) for rail in plan.guardrails]
    rails = tuple(msgspec.structs.replace(finding, margin=rail.margin) for rail, finding, _ in measured)
    answer, reason = decide(assignment, goal, rails, worthwhile=plan.worthwhile)
    return Judged(
        answer=answer,
        reason=reason,
        control_units=control,
        treatment_units=treated,
        assignment_p=assignment.p_value,
        assignment_broken=assignment.broken,
        goal=goal,
        guardrails=rails,
        courses={goal.name: course} | {finding.name: drawn for _, finding, drawn in measured},
    )


def decide(
    assignment: Assignment, goal: Finding, guardrails: tuple[Finding, ...], *, worthwhile: float = 0.0
) -> tuple[Answer, str]:
    """The rule. What voids comes first, then harm, then success, then futility; else more units."""
    if assignment.broken:
        planned = round(assignment.planned_share * (assignment.control + assignment.treatment))
        return "stop", (
            f"the assignment is broken: {assignment.treatment:,} units of the treatment, {planned:,} planned "
            f"(chi-square, p = {assignment.p_value:.1g}); find out which units are missing before reading any outcome"
        )
    if min(assignment.control, assignment.treatment) < FIRST_LOOK:
        return "go on", f"fewer than {FIRST_LOOK} units in an arm: too few for intervals to be right"
    broken = [rail for rail in guardrails if rail.held is False]
    if broken:
        rail = broken[0]
        return "stop", f"{rail.name} falls by more than {100 * (rail.margin or 0):.3g} % ({_told(rail)})"
    if goal.high < 0:
        return "stop", f"{goal.name} falls ({_told(goal)})"
    needs = f"{100 * worthwhile:.3g} %" if worthwhile else "0"
    if goal.held is False:
        return "stop", f"{goal.name} gains less than {needs}, which was not worth shipping ({_told(goal)})"
    waiting = [rail for rail in guardrails if rail.held is None]
    if goal.held and not waiting:
        kept = f"; {', '.join(rail.name for rail in guardrails)} within the margin" if guardrails else ""
        return "ship", f"{goal.name} gains more than {needs} ({_told(goal)}){kept}"
    if goal.held:
        return (
            "go on",
            f"{goal.name} gains ({_told(goal)}), but {waiting[0].name} may still fall too far ({_told(waiting[0])})",
        )
    return "go on", f"{goal.name} may gain or not ({_told(goal)})"


def _told(finding: Finding) -> str:
    return f"{100 * finding.lift:+.2f} %, interval {100 * finding.lift_low:+.2f} to {100 * finding.lift_high:+.2f} %"


def _measured(experiment: Experiment, plan: Plan, metric: Metric, scale: float) -> tuple[Finding, Course]:
    """The plain difference for people, and the contrast with `scale` times control for the decision."""
    parts_4N = experiment.parts(metric)
    looks_T = np.unique(np.linspace(2, experiment.units, LOOKS).astype(np.int64))
    arms = [Moments.running(parts_4N, chosen_N, looks_T) for chosen_N in (~experiment.treated_N, experiment.treated_N)]
    rho = mixture(plan.alpha, plan.planned_units)
    plain, scaled = effect(arms[0], arms[1]), effect(arms[0], arms[1], scale=scale)
    radius_T = radius(plain.units_T, plain.variance_T, alpha=plan.alpha, rho=rho)
    control = float(plain.control_T[-1])
    if not control:
        raise ValueError(f"{metric.name}: came 0 in the control arm, expected something to compare with")
    reach = float(radius(scaled.units_T, scaled.variance_T, alpha=plan.alpha, rho=rho)[-1])
    contrast = float(scaled.difference_T[-1])
    needed = units_needed(abs(contrast), float(scaled.variance_T[-1]), alpha=plan.alpha, rho=rho)
    difference, half = float(plain.difference_T[-1]), float(radius_T[-1])
    finding = Finding(
        name=metric.name,
        control=control,
        treatment=float(plain.treatment_T[-1]),
        difference=difference,
        low=difference - half,
        high=difference + half,
        lift=difference / control,
        lift_low=(difference - half) / control,
        lift_high=(difference + half) / control,
        spared=_spared(plain),
        held=None if abs(contrast) <= reach else contrast > 0,
        units_needed=None if math.isinf(needed) else int(needed),
    )
    return finding, _course(plain, radius_T, arms)


def _spared(plain: Effect) -> float:
    before = float(plain.unadjusted_variance_T[-1])
    return 1 - float(plain.variance_T[-1]) / before if before > 0 else 0.0


def _course(plain: Effect, radius_T: Float64, arms: list[Moments]) -> Course:
    """From the first look on; relative to control's value at that look."""
    shown_T = (np.minimum(arms[0].units_T, arms[1].units_T) >= FIRST_LOOK) & (plain.control_T != 0)
    base_T = plain.control_T[shown_T]
    lift_T, half_T = plain.difference_T[shown_T] / base_T, radius_T[shown_T] / np.abs(base_T)
    return Course(
        tuple(map(int, plain.units_T[shown_T])),
        tuple(map(float, lift_T)),
        tuple(map(float, lift_T - half_T)),
        tuple(map(float, lift_T + half_T)),
    )
