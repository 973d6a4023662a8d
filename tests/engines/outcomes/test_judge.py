"""What is planted is found, what is not is not, however often one looks."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from engines.outcomes.experiment import Experiment, Metric
from engines.outcomes.judge import FIRST_LOOK, Guardrail, Plan, judge
from engines.outcomes.simulate import Planted, simulate
from engines.outcomes.study import QUALITY_VIEW_RATE, REVENUE_PER_VIEW, Design, measure

RATE = Metric.parsed("quality_view_rate=quality_views/views")
REVENUE = Guardrail.parsed("revenue_per_view=revenue/views:30%")


def simulated(planted: Planted, units: int = 20_000, seed: int = 1) -> Experiment:
    return simulate(planted, units, np.random.default_rng(seed))


def test_nothing_planted_is_hardly_ever_found_by_looking_all_the_time() -> None:
    rates = measure(Design("nothing", QUALITY_VIEW_RATE, Planted(), units=4000, simulations=300), seed=5)
    assert rates.wrong <= 0.05
    assert rates.wrong_if_once > 0.2, "an interval that looks once is wrong far more often when peeked at"
    assert rates.mismatches <= 0.02
    assert 0.35 < rates.spared < 0.65


def test_heavy_tails_and_uneven_arms_do_not_break_it() -> None:
    planted = Planted(treatment_share=0.2)
    assert measure(Design("nothing", REVENUE_PER_VIEW, planted, units=4000, simulations=300), seed=6).wrong <= 0.05


def test_planted_effects_are_found_and_their_size_is_covered() -> None:
    rates = measure(Design("+10 %", QUALITY_VIEW_RATE, Planted(quality_lift=0.1), units=8000, simulations=50), seed=7)
    assert rates.found == 1.0 and rates.units_when_found is not None and rates.units_when_found < 4000
    assert rates.wrong <= 0.1


def test_a_planted_mismatch_is_found() -> None:
    lost = Planted(treatment_lost=0.18)
    assert measure(Design("lost", QUALITY_VIEW_RATE, lost, units=8000, simulations=50), seed=8).mismatches == 1.0


@pytest.mark.parametrize(
    ("planted", "plan", "answer", "reason"),
    [
        (Planted(0.08), Plan(RATE, (REVENUE,)), "ship", "within the margin"),
        (Planted(-0.08), Plan(RATE), "stop", "quality_view_rate falls"),
        (Planted(0.08, revenue_lift=-0.6), Plan(RATE, (REVENUE,)), "stop", "revenue_per_view falls by more than 30 %"),
        (Planted(0.3, treatment_lost=0.2), Plan(RATE), "stop", "assignment is broken"),
        (Planted(), Plan(RATE), "go on", "may gain or not"),
        (Planted(), Plan(RATE, worthwhile=0.1), "stop", "gains less than 10 %"),
        (
            Planted(0.08),
            Plan(RATE, (Guardrail.parsed("revenue_per_view=revenue/views:1%"),)),
            "go on",
            "revenue_per_view may still fall",
        ),
    ],
)
def test_the_answer_and_why(planted: Planted, plan: Plan, answer: str, reason: str) -> None:
    judged = judge(simulated(planted), plan)
    assert (judged.answer, reason in judged.reason) == (answer, True), judged.reason


def test_few_units_decide_nothing() -> None:
    judged = judge(simulated(Planted(0.9), units=2 * FIRST_LOOK - 50), Plan(RATE))
    assert judged.answer == "go on" and "too few" in judged.reason


def test_the_course_ends_where_the_finding_is() -> None:
    judged = judge(simulated(Planted(0.05)), Plan(RATE))
    drawn = judged.courses["quality_view_rate"]
    assert drawn.units[-1] == judged.control_units + judged.treatment_units
    assert drawn.lift[-1] == pytest.approx(judged.goal.lift)
    assert (drawn.low[-1], drawn.high[-1]) == pytest.approx((judged.goal.lift_low, judged.goal.lift_high))
    assert min(drawn.units) >= 2 * FIRST_LOOK


def test_a_finding_is_json() -> None:
    """Infinity and NaN are none."""
    experiment = simulated(Planted())
    content = msgspec.json.encode(judge(experiment, Plan(RATE)))
    assert b"NaN" not in content and b"null" not in msgspec.json.encode(judge(experiment, Plan(RATE)).courses)


def test_what_cannot_be_compared_is_said() -> None:
    experiment = simulated(Planted(), units=50)
    with pytest.raises(ValueError, match="came no column clicks, the log has views"):
        judge(experiment, Plan(Metric.parsed("ctr=clicks/views")))
    only = Experiment(np.zeros(50, bool)[: experiment.units], dict(experiment.columns))
    with pytest.raises(ValueError, match="0 of the treatment, expected two or more"):
        judge(only, Plan(RATE))
    with pytest.raises(ValueError, match="share of the treatment"):
        judge(experiment, Plan(RATE, treatment_share=1.5))


@pytest.mark.parametrize("text", ["rate=a/b", "rate=a/b:x", "rate=a/b:100%", "rate=a/b:-1%"])
def test_a_guardrail_needs_a_margin(text: str) -> None:
    with pytest.raises(ValueError, match="guardrail: came"):
        Guardrail.parsed(text)
