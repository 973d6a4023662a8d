"""When more labels no longer pay: what the learning curve says the next batch will bring, against its cost.

Quality over labels follows an inverse power law, q(n) = a - b n^-c (Figueroa et al. 2012, "Predicting sample size
required for classification performance", BMC Medical Informatics 12:8). The rule is theirs put to money: stop when the
expected gain of the next batch is worth less than its labels (cost-sensitive stopping: Dimitrakakis and Savu-Krohn
2008, "Cost-minimising strategies for data labelling").

Shape letters: R rounds, B bootstraps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

#: Rounds without which a curve of three parameters says nothing.
FEWEST_ROUNDS = 4
#: Exponents that are tried: 0.05 hardly learns any more, 2 has learned all at once.
EXPONENTS_C = np.linspace(0.05, 2, 40)
BOOTSTRAPS = 200


@dataclass(frozen=True)
class Curve:
    """q(n) = ceiling - drop * n^-exponent, with ceiling at most 1 and drop 0 or more."""

    ceiling: float
    drop: float
    exponent: float

    def at(self, labels: float) -> float:
        """The quality expected after so many labels."""
        return float(self.ceiling - self.drop * labels**-self.exponent)


class Outlook(msgspec.Struct, frozen=True):
    """What the next batch will bring, in points of quality (0.01), and whether it pays.

    gain_points, low, high: expected, with a 90 % interval. cost_per_point: infinite where nothing is gained. pays: None
    while nobody can say.
    """

    labels: int
    gain_points: float
    low: float
    high: float
    cost_per_point: float
    pays: bool | None
    sentence: str


def outlook(
    labels: Sequence[int],
    quality: Sequence[float],
    *,
    batch: int,
    cost_per_label: float,
    worth_of_point: float,
    rng: np.random.Generator,
) -> Outlook:
    """After rounds with so many labels in all and this quality each, in [0, 1]: whether `batch` more labels pay.

    It pays as long as the upper end of the gain is worth its cost: stopping too early cannot be made good, and one more
    batch can. Raises `ValueError` for rounds that do not grow, or a cost that is not positive.
    """
    labels_R, quality_R = np.asarray(labels, np.float64), np.asarray(quality, np.float64)
    if len(labels_R) != len(quality_R) or (np.diff(labels_R) <= 0).any() or (labels_R < 1).any():
        raise ValueError(f"stopping: came labels {list(labels)}, expected a growing number for each quality")
    if batch < 1 or cost_per_label <= 0 or worth_of_point <= 0:
        raise ValueError("stopping: came a batch, cost or worth that is not positive")
    cost = batch * cost_per_label
    if len(labels_R) < FEWEST_ROUNDS:
        nobody = f"after {len(labels_R)} rounds nobody can say; go on to {FEWEST_ROUNDS}"
        return Outlook(batch, np.nan, np.nan, np.nan, np.nan, None, nobody)
    curve = fit(labels_R, quality_R)
    gains_B = 100 * _gains(curve, labels_R, quality_R, batch, rng)
    last = float(labels_R[-1])
    gain = 100 * max(0.0, curve.at(last + batch) - curve.at(last))
    low, high = (float(end) for end in np.quantile(gains_B, (0.05, 0.95)))
    pays = bool(max(gain, high) * worth_of_point >= cost)
    price = cost / gain if gain > 0 else float("inf")
    what = f"{batch} more labels are expected to bring {gain:.2f} points ({low:.2f} to {high:.2f}) for {cost:g}"
    against = f"a point is worth {worth_of_point:g}"
    return Outlook(batch, gain, low, high, price, pays, f"{what}; {against}: {'go on' if pays else 'stop'}")


def fit(labels_R: Float64, quality_R: Float64) -> Curve:
    """Least squares, a later round counting by its labels; for each exponent the rest is linear."""
    weight_R = np.sqrt(labels_R / labels_R.sum())
    best, least = Curve(float(quality_R.mean()), 0.0, 1.0), np.inf
    for exponent in EXPONENTS_C:
        power_R = labels_R**-exponent
        design_R2 = np.stack([np.ones_like(power_R), -power_R], axis=1) * weight_R[:, None]
        (ceiling, drop), *_ = np.linalg.lstsq(design_R2, quality_R * weight_R, rcond=None)
        if ceiling > 1:  # no quality is higher: the best drop below that ceiling
            ceiling, drop = 1.0, float((weight_R**2 * power_R) @ (1 - quality_R) / ((weight_R**2) @ power_R**2))
        if drop < 0:
            ceiling, drop = float(np.average(quality_R, weights=weight_R**2)), 0.0
        error = float((((ceiling - drop * power_R) - quality_R) ** 2) @ weight_R**2)
        if error < least:
            best, least = Curve(float(ceiling), float(drop), float(exponent)), error
    return best


def _gains(curve: Curve, labels_R: Float64, quality_R: Float64, batch: int, rng: np.random.Generator) -> Float64:
    """Of the next batch, by curves fitted to the first one with its residuals drawn anew, float64 (B,)."""
    fitted_R = np.array([curve.at(n) for n in labels_R])
    # Three parameters take up some of the scatter.
    residual_R = (quality_R - fitted_R) * np.sqrt(len(labels_R) / max(1, len(labels_R) - 3))
    gains = []
    for _ in range(BOOTSTRAPS):
        again = fit(labels_R, fitted_R + rng.choice(residual_R, len(residual_R)))
        gains.append(max(0.0, again.at(labels_R[-1] + batch) - again.at(labels_R[-1])))
    return np.array(gains)
