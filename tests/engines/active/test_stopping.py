"""When more labels no longer pay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.active.stopping import fit, outlook
from tests.examples import examples

LABELS = list(range(80, 500, 60))


def quality(labels: list[int], noise: float = 0.0, seed: int = 0) -> list[float]:
    """0.8 - 2 n^-0.7, as a noisy test set sees it."""
    scatter = noise * np.random.default_rng(seed).standard_normal(len(labels))
    return [0.8 - 2 * n**-0.7 + one for n, one in zip(labels, scatter.tolist(), strict=True)]


def test_a_curve_of_that_form_is_found_again() -> None:
    curve = fit(np.array(LABELS, float), np.array(quality(LABELS)))
    assert curve.ceiling == pytest.approx(0.8, abs=0.002)
    assert curve.at(1000) == pytest.approx(0.8 - 2 * 1000**-0.7, abs=0.001)


@pytest.mark.parametrize(("worth", "pays"), [(100.0, True), (5.0, False)])
def test_it_pays_while_a_point_is_worth_more_than_it_costs(worth: float, pays: bool) -> None:
    """60 more labels after 440 bring 0.23 points for 24: about 104 a point."""
    truth = 100 * 2 * (LABELS[-1] ** -0.7 - (LABELS[-1] + 60) ** -0.7)
    found = outlook(
        LABELS, quality(LABELS), batch=60, cost_per_label=0.4, worth_of_point=worth, rng=np.random.default_rng(0)
    )
    assert found.gain_points == pytest.approx(truth, rel=0.05)
    assert found.cost_per_point == pytest.approx(24 / truth, rel=0.05)
    assert found.pays is pays
    assert ("go on" if pays else "stop") in found.sentence


def test_the_interval_holds_the_truth_mostly() -> None:
    truth = 100 * 2 * (LABELS[-1] ** -0.7 - (LABELS[-1] + 60) ** -0.7)
    inside = 0
    for seed in range(15):
        found = outlook(
            LABELS,
            quality(LABELS, noise=0.005, seed=seed),
            batch=60,
            cost_per_label=1,
            worth_of_point=1,
            rng=np.random.default_rng(seed),
        )
        inside += found.low <= truth <= found.high
    assert inside >= 10


def test_after_too_few_rounds_nobody_can_say() -> None:
    found = outlook([80, 140], [0.3, 0.4], batch=60, cost_per_label=1, worth_of_point=1, rng=np.random.default_rng(0))
    assert found.pays is None
    assert "go on to 4" in found.sentence


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.floats(0, 1), min_size=4, max_size=8))
def test_whatever_came_no_ceiling_is_above_one_and_no_gain_below_zero(qualities: list[float]) -> None:
    labels = np.arange(1, len(qualities) + 1) * 50.0
    curve = fit(labels, np.array(qualities))
    assert curve.ceiling <= 1 + 1e-9
    assert curve.drop >= 0
    assert curve.at(labels[-1] + 50) >= curve.at(labels[-1]) - 1e-12


@pytest.mark.parametrize(
    ("labels", "batch", "cost"),
    [([80, 80, 90, 100], 60, 1.0), ([0, 1, 2, 3], 60, 1.0), (LABELS, 0, 1.0), (LABELS, 60, 0.0)],
)
def test_nonsense_is_refused(labels: list[int], batch: int, cost: float) -> None:
    with pytest.raises(ValueError, match="stopping: came"):
        outlook(
            labels,
            [0.5] * len(labels),
            batch=batch,
            cost_per_label=cost,
            worth_of_point=1,
            rng=np.random.default_rng(0),
        )
