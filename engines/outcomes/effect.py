"""The effect of the treatment on a ratio metric, at any number of looks, from running moments.

A unit of assignment (a viewer, a video) brings many measurements (views), which are not independent: the ratio of sums
has the variance of its linear part over units, numerator - ratio * denominator (the delta method; Deng, Knoblich, Lu,
"Applying the delta method in metric analytics", arXiv 1803.06336). The same ratio of a time before the experiment is
what that part is adjusted by: CUPED (Deng, Xu, Kohavi, Walker, "Improving the sensitivity of online controlled
experiments by utilizing pre-experiment data", WSDM 2013), here with the slope that is best for the difference.

Shape letters: N units, T looks, 4 = numerator, denominator, and both before the experiment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Of one arm's units at each look. units_T; mean_T4; covariance_T44, about the mean and per unit."""

    units_T: Float64
    mean_T4: Float64
    covariance_T44: Float64

    @classmethod
    def running(cls, parts_4N: Float64, chosen_N: NDArray[np.bool_], looks_T: NDArray[np.int64]) -> Moments:
        """Of the chosen ones among the first `looks_T` units."""
        centre_41 = parts_4N.mean(axis=1, keepdims=True)  # sums of squares keep their digits
        centred_4N = np.where(chosen_N, parts_4N - centre_41, 0.0)
        units_T = _upto(chosen_N.astype(np.float64), looks_T)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean_T4 = np.stack([_upto(row_N, looks_T) / units_T for row_N in centred_4N], axis=1)
            square_T44 = np.stack(
                [
                    np.stack([_upto(row_N * column_N, looks_T) / units_T for column_N in centred_4N], axis=1)
                    for row_N in centred_4N
                ],
                axis=1,
            )
        return cls(units_T, mean_T4 + centre_41.T, square_T44 - mean_T4[:, :, None] * mean_T4[:, None, :])


@dataclass(frozen=True)
class Effect:
    """treatment - scale * control at each look; NaN before either arm has two units.

    ratio_T: of each arm, unadjusted. difference_T: adjusted. variance_T: of one unit's part in it, so that its own is
    variance / units. unadjusted_variance_T: the same without the covariate.
    """

    units_T: Float64
    control_T: Float64
    treatment_T: Float64
    difference_T: Float64
    variance_T: Float64
    unadjusted_variance_T: Float64


def effect(control: Moments, treatment: Moments, *, scale: float = 1.0) -> Effect:
    """The contrast of two arms. `scale` = 1 - margin asks whether the treatment keeps that share of control."""
    units_T = control.units_T + treatment.units_T
    weights = (scale, 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled_T4 = (
            control.units_T[:, None] * control.mean_T4 + treatment.units_T[:, None] * treatment.mean_T4
        ) / units_T[:, None]
        arms = [_linear(arm, pooled_T4) for arm in (control, treatment)]
        ratio_T, before_T, own_T, shared_T, covariate_T = (
            [getattr(arm, name) for arm in arms] for name in ("ratio_T", "before_T", "own_T", "shared_T", "covariate_T")
        )
        counts = (control.units_T, treatment.units_T)

        def summed(values: list[Float64]) -> Float64:
            parts = (w**2 * value_T / count_T for w, value_T, count_T in zip(weights, values, counts, strict=True))
            return np.asarray(sum(parts))

        known_T = summed(covariate_T)
        slope_T = np.where(known_T > 0, summed(shared_T) / np.where(known_T > 0, known_T, 1.0), 0.0)
        plain_T = summed(own_T)
        adjusted_T = np.maximum(plain_T - slope_T * summed(shared_T), 0.0)
        difference_T = (ratio_T[1] - slope_T * before_T[1]) - scale * (ratio_T[0] - slope_T * before_T[0])
    few_T = np.minimum(*counts) < 2
    difference_T[few_T] = adjusted_T[few_T] = plain_T[few_T] = np.nan
    return Effect(units_T, ratio_T[0], ratio_T[1], difference_T, units_T * adjusted_T, units_T * plain_T)


@dataclass(frozen=True)
class _Linear:
    """One arm's ratio, its mean covariate, and the variances and covariance of their linear parts."""

    ratio_T: Float64
    before_T: Float64
    own_T: Float64
    shared_T: Float64
    covariate_T: Float64


def _linear(arm: Moments, pooled_T4: Float64) -> _Linear:
    """Gradients: of the arm's own ratio, and of the ratio before, about what both arms had before together."""
    zero_T = np.zeros_like(arm.units_T)
    ratio_T = arm.mean_T4[:, 0] / arm.mean_T4[:, 1]
    own_T4 = np.stack([1 / arm.mean_T4[:, 1], -ratio_T / arm.mean_T4[:, 1], zero_T, zero_T], axis=1)
    base_T = np.where(pooled_T4[:, 3] > 0, pooled_T4[:, 3], 1.0)
    before_T4 = np.stack([zero_T, zero_T, 1 / base_T, -pooled_T4[:, 2] / base_T**2], axis=1)
    covariance_T44 = arm.covariance_T44

    def form(left_T4: Float64, right_T4: Float64) -> Float64:
        return np.asarray(np.einsum("ti,tij,tj->t", left_T4, covariance_T44, right_T4))

    return _Linear(
        ratio_T,
        np.vecdot(before_T4, arm.mean_T4),
        form(own_T4, own_T4),
        form(own_T4, before_T4),
        form(before_T4, before_T4),
    )


def _upto(values_N: Float64, looks_T: NDArray[np.int64]) -> Float64:
    """Sums of the first units."""
    return np.asarray(values_N.cumsum()[looks_T - 1])
