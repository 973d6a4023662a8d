"""Errors are added up over batches: by size, by direction, and by what is no number."""

from __future__ import annotations

import numpy as np
import pytest

from engines.gate.drift import ROUNDING, allowed, drift
from engines.gate.errors import Tally, reasons


def array(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def test_the_largest_and_the_mean_over_all_batches() -> None:
    tally = Tally()
    tally.add("vision", {"priors_FR": array(1.0, 2.0)}, {"priors_FR": array(1.5, 2.0)})
    tally.add("vision", {"priors_FR": array(0.0, 4.25)}, {"priors_FR": array(0.0, 4.0)})
    (error,) = tally.errors
    assert (error.graph, error.tensor, error.values) == ("vision", "priors_FR", 4)
    assert (error.largest, error.mean, error.scale) == (0.5, 0.1875, 4.0)
    assert error.relative == 0.125 and error.cosine_least is None and error.not_finite == 0


def test_cosines_between_vectors_of_both_sides() -> None:
    tally = Tally()
    ours, theirs = np.zeros((3, 1, 2), np.float32), np.zeros((3, 1, 2), np.float32)
    ours[:2, 0], theirs[:2, 0] = ((1, 0), (3, 4)), ((1, 1), (6, 8))  # the third has no direction
    tally.add("audio", {"tokens_FPD": ours}, {"tokens_FPD": theirs})
    (error,) = tally.errors
    assert error.cosine_least == pytest.approx(0.5**0.5) and error.cosine_mean == pytest.approx((0.5**0.5 + 1) / 2)


def test_padding_does_not_count() -> None:
    tally, outputs = Tally(), np.zeros((2, 3, 2), np.float32)
    other = outputs.copy()
    other[0, 2] = 100
    mask_NL = np.array([[True, True, False], [True, True, True]])
    tally.add("text", {"tokens_NLD": outputs}, {"tokens_NLD": other}, {"tokens_NLD": mask_NL})
    assert [(error.largest, error.values) for error in tally.errors] == [(0.0, 10)]


def test_which_of_equally_probable_classes_comes_first_does_not_count() -> None:
    tally = Tally()
    tally.add("vision", {"classes_FI": np.array([[1, 2]])}, {"classes_FI": np.array([[2, 1]])})
    assert tally.errors == ()


def test_what_only_the_reference_can_tell_is_a_fault() -> None:
    tally = Tally()
    tally.add("audio", {"priors_FR": array(np.nan, 1.0, np.inf)}, {"priors_FR": array(0.5, 1.0, np.nan)})
    (error,) = tally.errors
    assert error.not_finite == 1 and error.largest == 0.0
    assert reasons(tally.errors) == ["audio: priors_FR has 1 values that are not finite where the reference's are"]


def test_outputs_of_unlike_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="the reference gives"):
        Tally().add("audio", {"priors_FR": array(1.0)}, {"priors_FR": array(1.0, 2.0)})


def test_drift_is_that_of_the_furthest_row_relative_to_all() -> None:
    ones = [{"a": array(3.0, 4.0)}, {"a": array(0.0, 0.0)}]
    others = [{"a": array(3.0, 4.0)}, {"a": array(0.5, 0.5)}]
    assert drift(ones, others) == (pytest.approx(0.5 / (25.5 / 4) ** 0.5), "a")
    assert drift(ones, ones) == (0.0, "")
    assert drift([{"a": array(np.nan, 1.0)}], [{"a": array(1.0, 1.0)}])[0] == float("inf")
    assert drift([{"a": array(1.0, 1.0)}], [{"a": array(np.nan, 1.0)}])[0] == 0.0
    assert drift([{"a": array(1.0)}], [{"a": array(1.0, 2.0)}])[0] == float("inf")


def test_how_far_a_row_may_drift_grows_with_the_candidates_own_error_up_to_a_limit() -> None:
    assert (allowed(0.0), allowed(0.01), allowed(1.0)) == (ROUNDING, 0.02, 0.05)
