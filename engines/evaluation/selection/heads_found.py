"""Outcomes with both heads -> what each came to, and paired differences with their intervals.

Shape letters: S seeds, B replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from engines.evaluation.selection.findings import area
from engines.evaluation.selection.heads import FUSED_ONLY, LOGISTIC, UNFUSED, VL, VLMAE
from engines.evaluation.selection.study import LSB, STEADY, Outcome

Arm = tuple[str, str]
REPLICATES = 10_000


class HeadFound(msgspec.Struct, frozen=True):
    """Means over seeds of one head and strategy, by measure; without those that a seed lacks."""

    regime: str
    head: str
    strategy: str
    seeds: int
    means: dict[str, float]


class Difference(msgspec.Struct, frozen=True):
    """First less second over the seeds that both have. low, high: of a bootstrap over seeds; t_low, t_high: Student's.

    All of 95 %. Of few seeds a bootstrap is too sure: of four it never sees more spread than they have.
    """

    question: str
    regime: str
    measure: str
    first: Arm
    second: Arm
    value: float
    low: float
    high: float
    t_low: float
    t_high: float
    seeds: int


def _last(name: str) -> Callable[[Outcome], float]:
    def of(outcome: Outcome) -> float:
        values = getattr(outcome.steady or outcome.emerging, name)
        return float(values[-1]) if values else float("nan")

    return of


MEASURES: Mapping[bool, Mapping[str, Callable[[Outcome], float]]] = {
    True: {"mean AP": area, "AP, last round": _last("average_precision"), "R@P80, last round": _last("recall_at_p80")},
    False: {"found of 60": _last("found"), "recall at 5 % FP": _last("recall"), "AP, others": _last("others")},
}
#: What differences are asked of, in a steady stream and in a hunt.
ASKED: Mapping[bool, tuple[str, ...]] = {True: ("mean AP", "AP, last round"), False: tuple(MEASURES[False])}

#: Question -> pairs whose difference answers it; those that a regime lacks are left out there.
QUESTIONS: Mapping[str, tuple[tuple[Arm, Arm], ...]] = {
    "the fusion network tuned, over a logistic head": tuple(
        ((VLMAE, one), (LOGISTIC, one)) for one in ("random", "margin", LSB)
    ),
    "LSB over others, by head": tuple(
        ((head, LSB), (head, one)) for head in (VLMAE, LOGISTIC) for one in ("margin", "random")
    ),
    "LSB in the fused space, over unfused towers": (
        ((VLMAE, FUSED_ONLY), (UNFUSED, FUSED_ONLY)),
        ((VLMAE, LSB), (UNFUSED, LSB)),
        ((VLMAE, LSB), (VLMAE, FUSED_ONLY)),
    ),
    "LSB and VLMAE together, over each alone": (
        ((VLMAE, LSB), (VLMAE, "random")),
        ((VLMAE, LSB), (VL, LSB)),
        ((VLMAE, LSB), (VL, "random")),
        ((VL, LSB), (VL, "random")),
        ((VLMAE, "random"), (VL, "random")),
    ),
}


def heads_found(outcomes: Sequence[Outcome]) -> list[HeadFound]:
    """By regime, in the order of the runs."""
    found = []
    for (regime, *arm), seeds in _by_arm(outcomes).items():
        means = {
            name: float(np.mean([measure(one) for one in seeds.values()]))
            for name, measure in MEASURES[regime == STEADY].items()
        }
        known = {name: value for name, value in means.items() if not np.isnan(value)}
        found.append(HeadFound(regime, arm[0], arm[1], len(seeds), known))
    return found


def differences(outcomes: Sequence[Outcome]) -> list[Difference]:
    """Of every question, regime and measure, where two seeds or more have both."""
    by = _by_arm(outcomes)
    found = []
    for question, pairs in QUESTIONS.items():
        for regime in dict.fromkeys(one.regime for one in outcomes):
            for first, second in pairs:
                ours, theirs = by.get((regime, *first), {}), by.get((regime, *second), {})
                common = sorted(ours.keys() & theirs.keys())
                for name in ASKED[regime == STEADY] if len(common) > 1 else ():
                    measure = MEASURES[regime == STEADY][name]
                    value_S = np.array([measure(ours[seed]) - measure(theirs[seed]) for seed in common])
                    if np.isnan(value_S).any():
                        continue
                    found.append(
                        Difference(question, regime, name, first, second, *interval(value_S), seeds=len(common))
                    )
    return found


def interval(value_S: NDArray[np.float64]) -> tuple[float, float, float, float, float]:
    """Mean; the bootstrap's 2.5 and 97.5 %; the ends of Student's interval."""
    count, mean = len(value_S), float(value_S.mean())
    drawn_BS = np.random.default_rng(0).integers(count, size=(REPLICATES, count))
    low, high = np.quantile(value_S[drawn_BS].mean(1), [0.025, 0.975])
    reach = float(stats.t.ppf(0.975, count - 1) * value_S.std(ddof=1) / np.sqrt(count))
    return mean, float(low), float(high), mean - reach, mean + reach


def _by_arm(outcomes: Sequence[Outcome]) -> dict[tuple[str, str, str], dict[int, Outcome]]:
    by: dict[tuple[str, str, str], dict[int, Outcome]] = {}
    for one in outcomes:
        by.setdefault((one.regime, one.arena, one.strategy), {})[one.seed] = one
    return by
