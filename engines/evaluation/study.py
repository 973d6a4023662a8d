"""Measures arms on the test clips: metrics with standard errors from seeds and from source groups.

Shape letters: N test clips, B replicates, S seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.evaluation.measures import OF_CURVES, measure
from engines.evaluation.resampling import QUANTILE_95, Resampling, seed_error
from engines.evaluation.runs import Run
from engines.evaluation.slices import Slice, everything
from engines.evaluation.truth import Truth
from engines.spec import TASKS

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """An arm, maybe under another condition of the test clips."""

    arm: str
    condition: str = ""


class Estimate(msgspec.Struct, frozen=True):
    """A mean over seeds with its 95 % interval, whose ends may leave the range of the metric.

    source_error: standard error from which sources were drawn; seed_error: from which seeds.
    """

    value: float
    low: float
    high: float
    source_error: float
    seed_error: float
    seeds: int

    @classmethod
    def of(cls, value: float, source_error: float, seed_error: float, seeds: int) -> Estimate:
        """The interval of a normal distribution with both errors."""
        reach = QUANTILE_95 * float(np.hypot(source_error, seed_error))
        return cls(value, value - reach, value + reach, source_error, seed_error, seeds)


@dataclass(repr=False)
class Study:
    """Runs of arms on one data set. Raises `ValueError` when logits and clips do not fit together."""

    runs: dict[str, dict[int, Run]]
    val: Truth
    test: Truth
    resampling: Resampling
    _draws: dict[tuple[Subject, str, str, str], dict[int, Float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expected = len(self.val.rows), len(self.test.rows)
        for arm, seeds in self.runs.items():
            for seed, run in seeds.items():
                came = len(run.val_MK), len(run.test_MK)
                if came != expected:
                    raise ValueError(f"arm {arm}, seed {seed}: came {came} clips of val and test, expected {expected}")

    def conditions(self, arm: str) -> list[Subject]:
        """The arm under each condition that all of its seeds have; none for an arm that was not trained."""
        common = [set(run.conditions) for run in self.runs.get(arm, {}).values()]
        return [Subject(arm, condition) for condition in sorted(set.intersection(*common))] if common else []

    def has(self, *subjects: Subject) -> bool:
        """Whether all of them were measured."""
        return all(one.arm in self.runs and (not one.condition or one in self.conditions(one.arm)) for one in subjects)

    def scores(self, subject: Subject, seed: int, task: str) -> NDArray[np.float32]:
        """Test logits of one task, float32 (N,)."""
        run = self.runs[subject.arm][seed]
        logits_NK = run.conditions[subject.condition] if subject.condition else run.test_MK
        return logits_NK[:, TASKS.index(task)]

    def value(self, subject: Subject, metric: str, part: Slice) -> Estimate:
        """Mean over the seeds of an arm without the cost of an interval: its ends are NaN."""
        once_1N = np.ones((1, len(self.test.rows)))
        value_S = [
            measure((metric,), self.test, part, self.scores(subject, seed, part.task), once_1N)[metric][0]
            for seed in self.runs[subject.arm]
        ]
        return Estimate.of(float(np.mean(value_S)), float("nan"), seed_error(np.array(value_S)), len(value_S))

    def estimate(self, subject: Subject, metric: str, part: Slice) -> Estimate:
        """Mean over the seeds of an arm with its interval."""
        return self._estimate(list(self._drawn(subject, metric, part).values()))

    def difference(self, first: Subject, second: Subject, metric: str, part: Slice) -> Estimate:
        """Mean of first - second over the seeds that both have: the same seeds and the same resampled clips."""
        firsts_SB, seconds_SB = (self._drawn(subject, metric, part) for subject in (first, second))
        common = sorted(firsts_SB.keys() & seconds_SB.keys())
        if not common:
            raise ValueError(f"arms {first.arm} and {second.arm}: came no seed in common, expected one or more")
        return self._estimate([firsts_SB[seed] - seconds_SB[seed] for seed in common])

    def on_validation(self, arm: str, metric: str, task: str) -> float:
        """Mean over seeds on the validation clips: for choices, so that the test clips decide nothing."""
        part = everything(self.val, task)
        once_1N = np.ones((1, len(self.val.rows)))
        logits = [run.val_MK[:, TASKS.index(task)] for run in self.runs[arm].values()]
        return float(np.mean([measure((metric,), self.val, part, one_N, once_1N)[metric][0] for one_N in logits]))

    def _drawn(self, subject: Subject, metric: str, part: Slice) -> dict[int, Float64]:
        """By seed: the metric of the clips as they are, then for each row of weights. Remembered."""
        key = subject, part.task, part.key, metric
        if key not in self._draws:
            names = tuple(OF_CURVES) if metric in OF_CURVES else (metric,)
            plain_1N = np.ones((1, len(self.test.rows)))
            weights_BN = np.concatenate([plain_1N, self.resampling.weights_BN])
            values = {
                seed: measure(names, self.test, part, self.scores(subject, seed, part.task), weights_BN)
                for seed in self.runs[subject.arm]
            }
            for name in names:
                self._draws[subject, part.task, part.key, name] = {seed: one[name] for seed, one in values.items()}
        return self._draws[key]

    def _estimate(self, draws_SB: Sequence[Float64]) -> Estimate:
        value_S = np.array([values_B[0] for values_B in draws_SB])
        mean_B = np.mean([values_B[1:] for values_B in draws_SB], axis=0)
        source_error = self.resampling.standard_error(mean_B)
        return Estimate.of(float(value_S.mean()), source_error, seed_error(value_S), len(value_S))
