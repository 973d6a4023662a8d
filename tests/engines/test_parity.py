"""Comparing two runners: the error is the largest, a flip is a verdict that comes out otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest

from engines.parity import compare
from engines.spec import Array


def doubled(inputs: Mapping[str, Array]) -> dict[str, Array]:
    return {"y": 2 * np.asarray(inputs["x"], np.float64)}


def nearly_doubled(inputs: Mapping[str, Array]) -> dict[str, Array]:
    return {"y": 2 * np.asarray(inputs["x"], np.float64) + np.array([0.0, -0.25, 0.0])}


def positive(outputs: Mapping[str, Array]) -> np.ndarray:
    return np.asarray(outputs["y"], np.float64) > 0


BATCHES = [{"x": np.array([-1.0, 0.1, 3.0])}, {"x": np.array([-1.0, 0.2, 3.0])}]


def test_a_function_agrees_with_itself() -> None:
    parity = compare(doubled, doubled, BATCHES, positive)
    assert (parity.worst, parity.verdicts, parity.flips, parity.flip_rate) == (0.0, 6, 0, 0.0)


def test_largest_error_and_flips_are_counted() -> None:
    parity = compare(doubled, nearly_doubled, BATCHES, positive)
    assert parity.errors == {"y": pytest.approx(0.25)}
    assert (parity.verdicts, parity.flips) == (6, 1)
    assert parity.flip_rate == pytest.approx(1 / 6)


def test_nan_is_the_worst_error() -> None:
    def broken(inputs: Mapping[str, Array]) -> dict[str, Array]:
        return {"y": np.full(3, np.nan)}

    assert math.isinf(compare(doubled, broken, BATCHES).worst)


def test_unlike_outputs_are_refused() -> None:
    def other(inputs: Mapping[str, Array]) -> dict[str, Array]:
        return {"z": inputs["x"]}

    with pytest.raises(ValueError, match=r"came outputs \['y'\] and \['z'\]"):
        compare(doubled, other, BATCHES)


def test_no_batch_proves_nothing() -> None:
    with pytest.raises(ValueError, match="came no batch"):
        compare(doubled, doubled, [])
