"""Flips are counted, found in the part where they gather, and not called a fault where chance explains them."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest

from engines.gate.compared import Compared
from engines.gate.flips import binomial_tail, count_flips, reasons, wilson_bound
from engines.gate.shift import measure_shift
from engines.gate.shift import reasons as shift_reasons
from engines.spec import TASKS

THRESHOLDS = dict.fromkeys(TASKS, 0.5)
INPUTS = 2_000


def compared(flipped: set[int], parts: dict[str, set[int]] | None = None, by: float = 0.2) -> Compared:
    """2,000 inputs, of which these flip in the first task; parts by the inputs that belong to them."""
    reference_MK = np.full((INPUTS, 3), 0.4, np.float32)
    candidate_MK = reference_MK.copy()
    candidate_MK[sorted(flipped), 0] += np.float32(by)
    names = [frozenset(name for name, places in (parts or {}).items() if m in places) for m in range(INPUTS)]
    labels_MK = np.full((INPUTS, 3), np.nan, np.float32)
    return Compared(candidate_MK, reference_MK, labels_MK, dict.fromkeys(TASKS, names), ())


def told(flipped: set[int], parts: dict[str, set[int]]) -> list[str]:
    return reasons(*count_flips(compared(flipped, parts), THRESHOLDS))


def test_flips_are_counted_for_each_task() -> None:
    wholes, _ = count_flips(compared({1, 5, 9}), THRESHOLDS)
    assert [(one.task, one.flips, one.verdicts) for one in wholes] == [
        ("clickbait", 3, INPUTS),
        ("adult", 0, INPUTS),
        ("relevance", 0, INPUTS),
    ]
    assert wholes[0].worst == pytest.approx(0.2) and 0.0015 == wholes[0].rate < wholes[0].at_most < 0.004


def test_what_stays_on_its_side_of_the_threshold_is_no_flip() -> None:
    wholes, _ = count_flips(compared({1, 5, 9}, by=0.05), THRESHOLDS)
    assert [one.flips for one in wholes] == [0, 0, 0]


def test_what_is_no_number_is_a_flip() -> None:
    scores = compared(set())
    scores.candidate_MK[7, 1] = np.nan
    assert [one.flips for one in count_flips(scores, THRESHOLDS)[0]] == [0, 1, 0]


def test_ten_flips_of_2000_may_be_and_eleven_may_not() -> None:
    assert told(set(range(10)), {}) == []
    (reason,) = told(set(range(11)), {"with sound": set(range(40)), "source photo:a": set(range(20))})
    assert reason == (
        "clickbait: 11 of 2,000 verdicts flip (0.55%, at most 0.5% may), most of all in 'with sound' (11 of 40)"
    )


def test_flips_that_gather_in_a_part_are_found_though_there_are_few() -> None:
    heard = set(range(60))
    (reason,) = told(set(range(4)), {"decided by audio": heard, "with sound": set(range(1_000))})
    assert reason == "clickbait: 4 of 60 verdicts flip (6.67%, at most 0.5% may), in 'decided by audio'"


@pytest.mark.parametrize(
    ("flips", "verdicts", "offends"), [(1, 1, False), (1, 20, False), (2, 20, False), (3, 20, True)]
)
def test_a_small_part_is_judged_by_how_many_flip(flips: int, verdicts: int, offends: bool) -> None:
    _, parts = count_flips(compared(set(range(flips)), {"a part": set(range(verdicts))}), THRESHOLDS)
    assert {part.offends for part in parts if part.task == "clickbait"} == {offends}


@pytest.mark.parametrize(("verdicts", "fewest"), [(20, 3), (200, 6), (2_000, 22)])
def test_how_many_flips_chance_does_not_explain(verdicts: int, fewest: int) -> None:
    limit = Fraction(1, 200)
    tails = {
        flips: float(1 - sum(comb(verdicts, n) * limit**n * (1 - limit) ** (verdicts - n) for n in range(flips)))
        for flips in (0, 1, fewest - 1, fewest)
    }
    assert tails[fewest] < 0.001 < tails[fewest - 1]
    for flips, tail in tails.items():
        assert binomial_tail(flips, verdicts, 0.005) == pytest.approx(tail, rel=1e-6)


def test_a_tail_of_many_hits_does_not_overflow() -> None:
    assert binomial_tail(6_000, 6_000, 0.005) == 0.0
    assert binomial_tail(0, 6_000, 0.005) == 1.0


def test_wilsons_bound_is_that_of_the_score_test() -> None:
    for hits, trials in ((0, 50), (3, 2_000), (50, 50)):
        bound = wilson_bound(hits, trials)
        if hits == trials:
            assert bound == 1.0
            continue
        assert (bound - hits / trials) / (bound * (1 - bound) / trials) ** 0.5 == pytest.approx(1.644854)


def test_a_source_of_few_clips_is_no_part_and_neither_is_everything() -> None:
    parts = {"source photo:a": set(range(49)), "source speaker:b": set(range(50)), "everything": set(range(INPUTS))}
    _, found = count_flips(compared(set(), parts), THRESHOLDS)
    assert {part.part for part in found} == {"source speaker:b"}


def test_scores_that_move_on_average_are_a_fault_and_noise_is_none() -> None:
    rng = np.random.default_rng(0)
    moved, noisy = compared(set()), compared(set())
    moved.candidate_MK[:, 1] += np.float32(0.012)
    noisy.candidate_MK[:, 1] += rng.normal(0, 0.05, INPUTS).astype(np.float32)
    (reason,) = shift_reasons(measure_shift(moved))
    assert reason.startswith("adult: scores move by +0.012 on average (standard error 0.000)")
    assert shift_reasons(measure_shift(noisy)) == []
    shift = measure_shift(noisy)[1]
    assert shift.mean_absolute == pytest.approx(0.04, abs=0.003) and shift.labels == 0 and shift.rise is None


def test_with_labels_it_is_said_how_well_each_is_calibrated() -> None:
    scores = compared(set())
    scores.labels_MK[:, 2] = (np.arange(INPUTS) % 5 < 2).astype(np.float32)  # 0.4 of them
    scores.candidate_MK[:, 2] += np.float32(0.25)
    shift = measure_shift(scores)[2]
    assert shift.labels == INPUTS and shift.reference_error == pytest.approx(0, abs=1e-6)
    assert shift.rise == pytest.approx(shift.candidate_error) == pytest.approx(0.25, abs=1e-6)
    assert shift.apart == pytest.approx(0.25, abs=1e-6)
