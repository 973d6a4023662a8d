"""Every metric against its definition written out, on small inputs full of ties; weights against copies of clips."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.evaluation import metrics
from engines.evaluation.curve import Curve

Case = tuple[NDArray[np.float64], NDArray[np.float64]]


@st.composite
def cases(draw: st.DrawFn, grades: int = 1) -> Case:
    """Labels and scores, at least one positive and one negative, few distinct scores."""
    size = draw(st.integers(2, 12))
    labels = draw(st.lists(st.integers(0, grades), min_size=size, max_size=size).filter(lambda it: len(set(it)) > 1))
    scores = draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))
    return np.array(labels, np.float64), np.array(scores) / 5


def thresholds(case: Case) -> Iterator[tuple[float, float, float]]:
    """Recall, precision and false positive rate of calling everything at or above each score."""
    labels, scores = case
    for threshold in sorted(set(scores), reverse=True):
        called = scores >= threshold
        hits, alarms = float(labels[called].sum()), float((1 - labels[called]).sum())
        yield hits / labels.sum(), hits / (hits + alarms), alarms / (1 - labels).sum()


@given(cases())
def test_average_precision(case: Case) -> None:
    steps, before = 0.0, 0.0
    for recall, precision, _ in thresholds(case):
        steps, before = steps + (recall - before) * precision, recall
    assert metrics.average_precision(*case) == pytest.approx(steps)


@given(cases(), st.sampled_from([0.5, 0.6, 0.75, 0.8, 1.0]))
def test_recall_at_precision(case: Case, wanted: float) -> None:
    expected = max((recall for recall, precision, _ in thresholds(case) if precision >= wanted - 1e-12), default=0.0)
    assert metrics.recall_at_precision(*case, wanted) == pytest.approx(expected)


@given(cases(), st.sampled_from([0.0, 0.05, 0.2, 0.5, 1.0]))
def test_recall_at_false_positives(case: Case, rate: float) -> None:
    expected = max((recall for recall, _, alarms in thresholds(case) if alarms <= rate + 1e-12), default=0.0)
    assert metrics.recall_at_false_positives(*case, rate) == pytest.approx(expected)


@given(cases())
def test_area_under_roc(case: Case) -> None:
    positives, negatives = case[1][case[0] == 1], case[1][case[0] == 0]
    won = [1.0 if high > low else 0.5 if high == low else 0.0 for high in positives for low in negatives]
    assert metrics.weighted_area_under_roc(*case, np.ones((1, len(case[0]))))[0] == pytest.approx(np.mean(won))


@given(cases(grades=3))
def test_spearman(case: Case) -> None:
    def ranks(values: NDArray[np.float64]) -> list[float]:
        return [1 + float((values < value).sum()) + (float((values == value).sum()) - 1) / 2 for value in values]

    expected = np.nan if np.ptp(case[1]) == 0 else np.corrcoef(ranks(case[0]), ranks(case[1]))[0, 1]
    assert metrics.spearman(*case) == pytest.approx(expected, nan_ok=True)


@given(cases(grades=3), st.integers(1, 6))
def test_ndcg_is_the_mean_over_all_orders_of_ties(case: Case, depth: int) -> None:
    grades, scores = case[0][:6], case[1][:6]

    def gain(order: tuple[int, ...]) -> float:
        return sum((2 ** grades[n] - 1) / math.log2(place + 2) for place, n in enumerate(order[:depth]))

    orders = list(permutations(range(len(grades))))
    kept = [order for order in orders if all(np.diff(scores[list(order)]) <= 0)]
    ideal = max(gain(order) for order in orders)
    expected = np.mean([gain(order) for order in kept]) / ideal if np.ptp(grades) > 0 else np.nan
    assert metrics.ndcg(grades, scores, ["q"] * len(grades), depth) == pytest.approx(expected, nan_ok=True)


def test_ndcg_is_a_mean_over_queries_that_can_be_ordered() -> None:
    grades, scores = np.array([3.0, 0, 0, 3, 1, 1]), np.array([2.0, 1, 2, 1, 2, 1])
    wrong = (7 / math.log2(3)) / 7
    assert metrics.ndcg(grades, scores, list("aabbcc")) == pytest.approx((1 + wrong) / 2)


@given(cases(), st.integers(1, 5))
def test_calibration_error(case: Case, bins: int) -> None:
    """In any order of the clips that share a score, averaged over all of them: the border of a bin decides nothing."""
    labels, scores = case
    share = np.array([labels[scores == score].mean() for score in scores])
    parts = [part for part in np.array_split(np.argsort(scores, kind="stable"), bins) if len(part)]
    expected = sum(abs(scores[part].mean() - share[part].mean()) * len(part) for part in parts) / len(labels)
    assert metrics.calibration_error(labels, scores, bins) == pytest.approx(expected)


def test_calibration_error_of_an_overconfident_and_of_a_right_score() -> None:
    labels = np.array([1.0, 0, 1, 0])
    assert metrics.calibration_error(labels, np.array([1.0, 1, 0, 0])) == pytest.approx(0.5)
    assert metrics.calibration_error(labels, np.full(4, 0.5)) == pytest.approx(0)
    assert metrics.brier(labels, np.array([1.0, 1, 0, 0])) == pytest.approx(0.5)
    assert metrics.brier(labels, labels) == 0


WEIGHTED: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]] = {
    "AP": lambda labels, scores, weights: Curve.of(labels, scores, weights).average_precision(),
    "R@P": lambda labels, scores, weights: Curve.of(labels, scores, weights).recall_at_precision(0.6),
    "R@FP": lambda labels, scores, weights: Curve.of(labels, scores, weights).recall_at_false_positives(0.2),
    "AUC": metrics.weighted_area_under_roc,
    "Spearman": metrics.weighted_spearman,
}


@pytest.mark.parametrize("name", WEIGHTED)
@given(case=cases(), data=st.data())
def test_a_whole_weight_is_that_many_copies(name: str, case: Case, data: st.DataObject) -> None:
    copies = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(case[0]), max_size=len(case[0]))))
    if not 0 < case[0] @ copies < copies.sum():
        return
    labels, scores = case[0].repeat(copies), case[1].repeat(copies)
    expected = WEIGHTED[name](labels, scores, np.ones((1, len(labels))))[0]
    weights = np.stack([np.ones(len(copies)), copies])
    assert WEIGHTED[name](*case, weights)[1] == pytest.approx(expected, nan_ok=True)


@given(cases())
def test_the_order_of_clips_does_not_matter(case: Case) -> None:
    labels, scores = case
    for metric in (metrics.average_precision, metrics.recall_at_precision, metrics.spearman, metrics.calibration_error):
        assert metric(labels[::-1], scores[::-1]) == pytest.approx(metric(labels, scores), nan_ok=True)


def test_nothing_to_measure_is_no_number() -> None:
    nothing, scores = np.zeros(3), np.array([0.1, 0.2, 0.3])
    for metric in (metrics.average_precision, metrics.recall_at_precision, metrics.recall_at_false_positives):
        assert math.isnan(metric(nothing, scores))
        assert math.isnan(metric(nothing[:0], scores[:0]))
    assert math.isnan(metrics.spearman(nothing, scores))
    assert math.isnan(metrics.ndcg(nothing, scores, ["q"] * 3))
    assert math.isnan(metrics.calibration_error(nothing[:0], scores[:0]))
