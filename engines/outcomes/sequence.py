"""Asymptotic confidence sequences: intervals that hold at all sample sizes at once, so that looking costs nothing.

Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic confidence
sequences", arXiv 2103.06476 (Annals of Statistics 2024): the Gaussian mixture boundary around an estimator that is
asymptotically linear, with its variance estimated on the way. For means of known variance it is the boundary of the
mixture sequential probability ratio test (Robbins 1970; Johari et al., arXiv 1512.04922). The mSPRT was not taken, as
it asks for a normal outcome of known variance, and outcomes here are ratios, skewed and adjusted by covariates.

Shape letters: T looks.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def mixture(alpha: float, tightest_at: float) -> float:
    """rho of the boundary that is about the narrowest at `tightest_at` units; to be fixed before any outcome is seen.

    rho^2 = (-2 log alpha + log(1 - 2 log alpha)) / t (the approximation in the appendix on tuning of 2103.06476).
    """
    if not (0 < alpha < 1 and tightest_at > 0):
        raise ValueError(f"came alpha {alpha} and {tightest_at} units, expected alpha in (0, 1) and a unit or more")
    return math.sqrt((-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / tightest_at)


def radius(units_T: Float64, variance_T: Float64, *, alpha: float, rho: float) -> Float64:
    """Half the width of the sequence, at error `alpha` over all times together and both sides.

    variance_T: of one unit's part in the estimate, so that the estimate's own variance is variance / units.
    """
    scaled_T = units_T * rho**2 + 1
    factor_T = 2 * scaled_T / (units_T * rho) ** 2 * np.log(np.sqrt(scaled_T) / alpha)
    return np.asarray(np.sqrt(variance_T * factor_T))


def units_needed(distance: float, variance: float, *, alpha: float, rho: float) -> float:
    """The fewest units whose radius is at most `distance`; infinite where that is 0."""
    if distance <= 0:
        return math.inf
    low, high = 1.0, 2.0
    while _radius(high, variance, alpha, rho) > distance:
        low, high = high, high * 2
        if high > 1e15:
            return math.inf
    while high - low > max(1.0, 1e-3 * high):
        middle = (low + high) / 2
        low, high = (middle, high) if _radius(middle, variance, alpha, rho) > distance else (low, middle)
    return math.ceil(high)


def _radius(units: float, variance: float, alpha: float, rho: float) -> float:
    return float(radius(np.array([units]), np.array([variance]), alpha=alpha, rho=rho)[0])
