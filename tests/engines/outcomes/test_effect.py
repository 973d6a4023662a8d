"""The arithmetic against formulas written out anew."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from engines.outcomes.assignment import check_assignment
from engines.outcomes.effect import Moments, effect
from engines.outcomes.experiment import BEFORE, Experiment, Metric
from engines.outcomes.sequence import mixture, radius, units_needed
from engines.outcomes.simulate import Planted, simulate

RATE = Metric.parsed("quality_view_rate=quality_views/views")


def arms(experiment: Experiment, looks: list[int], metric: Metric = RATE) -> tuple[Moments, Moments]:
    parts_4N, looks_T = experiment.parts(metric), np.array(looks)
    treated_N = experiment.treated_N
    return Moments.running(parts_4N, ~treated_N, looks_T), Moments.running(parts_4N, treated_N, looks_T)


def first(experiment: Experiment, units: int) -> Experiment:
    return Experiment(experiment.treated_N[:units], {name: x[:units] for name, x in experiment.columns.items()})


def test_variance_is_that_of_the_linear_part_of_each_arm() -> None:
    experiment = simulate(Planted(quality_lift=0.1), 3000, np.random.default_rng(1))
    came = effect(*arms(experiment, [experiment.units]))
    variance = 0.0
    for chosen_N in (experiment.treated_N, ~experiment.treated_N):
        liked_N, views_N = (experiment.columns[name][chosen_N] for name in ("quality_views", "views"))
        linear_N = (liked_N - liked_N.sum() / views_N.sum() * views_N) / views_N.mean()
        variance += float(linear_N.var() / len(linear_N))
    assert came.unadjusted_variance_T[0] / experiment.units == pytest.approx(variance)


def test_adjusting_is_a_regression_on_what_was_before() -> None:
    experiment = simulate(Planted(quality_lift=0.1), 3000, np.random.default_rng(1))
    came = effect(*arms(experiment, [experiment.units]))
    c, treated_N = experiment.columns, experiment.treated_N
    before_N = (
        c["quality_views" + BEFORE]
        - c["quality_views" + BEFORE].sum() / c["views" + BEFORE].sum() * (c["views" + BEFORE])
    )
    shared = known = plain = shift = 0.0
    for sign, chosen_N in ((1, treated_N), (-1, ~treated_N)):
        ratio = c["quality_views"][chosen_N].sum() / c["views"][chosen_N].sum()
        own_N = (c["quality_views"] - ratio * c["views"])[chosen_N] / c["views"][chosen_N].mean()
        covariance_22 = np.cov(own_N, before_N[chosen_N], bias=True) / chosen_N.sum()
        shared, known = shared + covariance_22[0, 1], known + covariance_22[1, 1]
        plain, shift = plain + sign * ratio, shift + sign * before_N[chosen_N].mean()
    assert came.difference_T[0] == pytest.approx(plain - shared / known * shift)
    assert came.variance_T[0] < 0.7 * came.unadjusted_variance_T[0]


def test_a_look_knows_nothing_of_what_comes_later() -> None:
    experiment = simulate(Planted(), 2000, np.random.default_rng(2))
    running = effect(*arms(experiment, [500, 1000, 2000]))
    alone = effect(*arms(first(experiment, 1000), [1000]))
    for name in ("difference_T", "variance_T", "control_T"):
        assert getattr(running, name)[1] == pytest.approx(getattr(alone, name)[0])


def test_without_a_time_before_nothing_is_adjusted() -> None:
    whole = simulate(Planted(), 1000, np.random.default_rng(3))
    bare = Experiment(whole.treated_N, {name: x for name, x in whole.columns.items() if BEFORE not in name})
    came = effect(*arms(bare, [1000]))
    assert came.difference_T[0] == came.treatment_T[0] - came.control_T[0]
    assert came.variance_T[0] == came.unadjusted_variance_T[0]


def test_a_mean_is_a_ratio_over_units() -> None:
    experiment = simulate(Planted(), 1000, np.random.default_rng(3))
    came = effect(*arms(experiment, [1000], Metric.parsed("revenue_per_viewer=revenue")))
    assert came.control_T[0] == pytest.approx(experiment.columns["revenue"][~experiment.treated_N].mean())


def test_scale_asks_for_a_share_of_control() -> None:
    control, treatment = arms(simulate(Planted(), 1000, np.random.default_rng(3)), [1000])
    plain, scaled = effect(control, treatment), effect(control, treatment, scale=0.9)
    assert scaled.difference_T[0] == pytest.approx(plain.difference_T[0] + 0.1 * plain.control_T[0], abs=3e-3)
    assert scaled.variance_T[0] < plain.variance_T[0]


def test_mixture_is_narrowest_where_it_is_asked_to_be() -> None:
    at, one = np.array([10_000.0]), np.array([1.0])
    rho = mixture(0.05, 10_000)
    best = radius(at, one, alpha=0.05, rho=rho)[0]
    assert all(best < radius(at, one, alpha=0.05, rho=rho * other)[0] for other in (0.7, 1.4))
    # 1.96 / sqrt(t) is what one look would have; the price of all looks is known (2103.06476, section 2).
    assert 1.4 < best * 100 / 1.96 < 1.6


def test_units_needed_are_those_whose_radius_fits() -> None:
    rho = mixture(0.05, 10_000)
    needed = units_needed(0.02, 0.5, alpha=0.05, rho=rho)
    assert radius(np.array([needed]), np.array([0.5]), alpha=0.05, rho=rho)[0] == pytest.approx(0.02, rel=1e-3)
    assert units_needed(0.0, 0.5, alpha=0.05, rho=rho) == np.inf


@pytest.mark.parametrize(("control", "treatment", "share"), [(5000, 5000, 0.5), (5200, 4800, 0.5), (9000, 1100, 0.1)])
def test_assignment_is_pearsons_test(control: int, treatment: int, share: float) -> None:
    units = control + treatment
    expected = chisquare([control, treatment], [units * (1 - share), units * share]).pvalue
    assert check_assignment(control, treatment, share).p_value == pytest.approx(expected)


@pytest.mark.parametrize("text", ["rate", "=a/b", "rate=", "rate=a/"])
def test_a_metric_says_what_it_is(text: str) -> None:
    with pytest.raises(ValueError, match="expected name=numerator/denominator"):
        Metric.parsed(text)
