"""Verdicts that come out otherwise, of all inputs and of parts of them.

Shape letters: M inputs, K tasks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.gate.compared import Compared
from engines.gate.slices import LEAST_OF_A_SOURCE, OF_SOURCE
from engines.spec import TASKS

#: Share of verdicts that may come out otherwise.
MOST_FLIPS = 0.005
#: A part offends when of a thousand parts, whose rate is just what it may be, not one would flip as often by chance.
BY_CHANCE = 0.001
#: The normal distribution's, for a bound that holds in 95 of 100 cases.
QUANTILE_95 = 1.644854
#: The part that is all inputs.
WHOLE = "all"
#: Offending parts that a reason names.
NAMED = 3


class Flips(msgspec.Struct, frozen=True, kw_only=True):
    """Of one task, or of a part of its inputs: how many of `verdicts` come out otherwise.

    at_most: Wilson's upper bound of the rate (1927), one-sided, 95 %. worst: largest difference of two scores. chance:
    how likely so many flips or more are where the rate is just what it may be (binomial). offends: a task when its rate
    is above that, a part when chance does not explain it either.

    A rate alone would not do for parts: one flip in 20 verdicts is 5 %, and of 60 parts of a healthy candidate some are
    above 0.5 %. By chance it takes 3 flips of 20, 6 of 200, 22 of 2,000.
    """

    task: str
    part: str
    verdicts: int
    flips: int
    rate: float
    at_most: float
    worst: float
    chance: float
    offends: bool


def count_flips(compared: Compared, thresholds: Mapping[str, float]) -> tuple[list[Flips], list[Flips]]:
    """Of each task, and of each part of each task, those first that chance explains least."""
    wholes, parts = [], []
    for k, task in enumerate(TASKS):
        candidate_M, reference_M = compared.candidate_MK[:, k], compared.reference_MK[:, k]
        threshold = np.float32(thresholds[task])
        flips_M = ((candidate_M >= threshold) != (reference_M >= threshold)) | np.isnan(candidate_M)
        worst_M = np.abs(candidate_M - reference_M)
        wholes.append(_flips(task, WHOLE, flips_M, worst_M))
        for name, places in _members(compared.parts[task]).items():
            parts.append(_flips(task, name, flips_M[places], worst_M[places]))
    return wholes, sorted(parts, key=lambda part: (part.chance, -part.rate, part.task, part.part))


def reasons(wholes: Sequence[Flips], parts: Sequence[Flips]) -> list[str]:
    """Why flips speak against a candidate: a task above the limit by its plain rate, a part that offends.

    Of a task above it, the parts are named that are furthest above it, whether or not chance explains them.
    """
    found = []
    for whole in wholes:
        if whole.offends:
            above = [part for part in parts if part.task == whole.task and part.rate > MOST_FLIPS]
            where = ", ".join(f"{part.part!r} ({part.flips:,} of {part.verdicts:,})" for part in above[:NAMED])
            found.append(f"{_told(whole)}, most of all in {where or 'no part of them'}")
    told = {whole.task for whole in wholes if whole.offends}
    return found + [f"{_told(part)}, in {part.part!r}" for part in parts if part.offends and part.task not in told]


def _told(flips: Flips) -> str:
    counts = f"{flips.flips:,} of {flips.verdicts:,} verdicts flip"
    return f"{flips.task}: {counts} ({flips.rate:.2%}, at most {MOST_FLIPS:.1%} may)"


def _members(parts: Sequence[frozenset[str]]) -> dict[str, NDArray[np.int64]]:
    """Part -> places of its inputs. A part that all inputs belong to is none."""
    counts = Counter(name for of_input in parts for name in of_input)
    names = {
        name
        for name, count in counts.items()
        if count < len(parts) and (count >= LEAST_OF_A_SOURCE or not name.startswith(OF_SOURCE))
    }
    return {name: np.flatnonzero([name in of_input for of_input in parts]) for name in sorted(names)}


def _flips(task: str, part: str, flips_M: NDArray[np.bool_], worst_M: NDArray[np.float32]) -> Flips:
    verdicts, flips = len(flips_M), int(flips_M.sum())
    chance = binomial_tail(flips, verdicts, MOST_FLIPS)
    return Flips(
        task=task,
        part=part,
        verdicts=verdicts,
        flips=flips,
        rate=flips / verdicts,
        at_most=wilson_bound(flips, verdicts),
        worst=float(worst_M.max()),
        chance=chance,
        offends=flips > MOST_FLIPS * verdicts and (part == WHOLE or chance < BY_CHANCE),
    )


def wilson_bound(hits: int, trials: int) -> float:
    """The highest rate of which so few hits are still seen in one of twenty cases (Wilson 1927, score interval)."""
    z2 = QUANTILE_95**2
    rate = hits / trials
    middle = rate + z2 / (2 * trials)
    spread = QUANTILE_95 * math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2))
    return min(1.0, (middle + spread) / (1 + z2 / trials))


def binomial_tail(hits: int, trials: int, rate: float) -> float:
    """How likely `hits` or more are of so many trials."""

    def log_chance(count: int) -> float:
        ways = math.lgamma(trials + 1) - math.lgamma(count + 1) - math.lgamma(trials - count + 1)
        return ways + count * math.log(rate) + (trials - count) * math.log1p(-rate)

    if hits > trials * rate:
        return min(1.0, math.fsum(math.exp(log_chance(count)) for count in range(hits, trials + 1)))
    return 1 - math.fsum(math.exp(log_chance(count)) for count in range(hits))
