"""Outcomes -> what each strategy reached, and paired differences with their intervals.

Shape letters: S seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.evaluation.resampling import seed_error
from engines.evaluation.selection.regimes import Watched
from engines.evaluation.selection.study import LSB, STEADY, WHOLE_KIND, Outcome
from engines.evaluation.study import Estimate

Float64 = NDArray[np.float64]
Measure = Callable[[Outcome], float]

#: What "few" random labels reach is compared at.
REFERENCE_LABELS = 800
HUNTED = (60, 120)


class SteadyFound(msgspec.Struct, frozen=True):
    """One strategy on one pool. area: mean AP over the rounds. behind: LSB's less its own, of the same seeds; None for
    LSB. recall: at 80 % precision after the last round. labels: to reach the AP of 800 random ones; infinite where it
    does not.
    """

    arena: str
    strategy: str
    area: Estimate
    behind: Estimate | None
    recall: Estimate
    labels: float


class TwoHeads(msgspec.Struct, frozen=True):
    """What a head of its own for the kind is worth. reported, alone: recall of the kind by that head, from reports and
    no label of the hunt, and after 120. recall, behind, kept: as of `HuntFound`, of both heads as one score.
    """

    reported: Estimate
    alone: Estimate
    recall: Estimate
    behind: Estimate | None
    kept: Estimate


class HuntFound(msgspec.Struct, frozen=True):
    """One strategy on one kind. found: after 60 and 120 labels. recall, others: after 120, and LSB's less its own.

    kept: others after 120 labels less before the first round. two: None where there was one head only.
    """

    arena: str
    kind: str
    strategy: str
    found: tuple[float, float]
    recall: Estimate
    recall_behind: Estimate | None
    others: Estimate
    others_behind: Estimate | None
    kept: Estimate
    two: TwoHeads | None


def steady_found(outcomes: Sequence[Outcome]) -> list[SteadyFound]:
    """By pool, best first."""
    kept = [one for one in outcomes if one.steady is not None]
    found = []
    for arena in dict.fromkeys(one.arena for one in kept):
        by = _by_strategy([one for one in kept if one.arena == arena])
        reference = _curve(by.get("random", {}))
        rows = [
            SteadyFound(
                arena,
                name,
                _mean(seeds, area),
                _behind(by, name, area),
                _mean(seeds, _last_recall),
                _labels_to(_curve(seeds), reference),
            )
            for name, seeds in by.items()
        ]
        found += sorted(rows, key=lambda one: -one.area.value)
    return found


def hunts_found(outcomes: Sequence[Outcome]) -> list[HuntFound]:
    """By kind, most finds first."""
    found = []
    kept = [one for one in outcomes if one.regime != STEADY]
    for arena, kind in dict.fromkeys((one.arena, one.regime) for one in kept):
        by = _by_strategy([one for one in kept if (one.arena, one.regime) == (arena, kind)])
        rows = []
        for name, seeds in by.items():
            early, late = (float(np.mean([_found(one, labels) for one in seeds.values()])) for labels in HUNTED)
            rows.append(
                HuntFound(
                    arena,
                    kind,
                    name,
                    (early, late),
                    _mean(seeds, _recall),
                    _behind(by, name, _recall),
                    _mean(seeds, _others),
                    _behind(by, name, _others),
                    _mean(seeds, _kept),
                    _two_heads(by, name),
                )
            )
        found += sorted(rows, key=lambda one: -one.found[0])
    return found


def _two_heads(by: dict[str, dict[int, Outcome]], name: str) -> TwoHeads | None:
    if any(one.emerging is None or one.emerging.watched is None for one in by[name].values()):
        return None

    def recall(outcome: Outcome) -> float:
        return _watched(outcome).recall[-1]

    return TwoHeads(
        _mean(by[name], lambda one: _watched(one).alone[0]),
        _mean(by[name], lambda one: _watched(one).alone[-1]),
        _mean(by[name], recall),
        _behind(by, name, recall),
        _mean(by[name], lambda one: _watched(one).others[-1] - _before(one)),
    )


def _watched(outcome: Outcome) -> Watched:
    assert outcome.emerging is not None and outcome.emerging.watched is not None
    return outcome.emerging.watched


def _before(outcome: Outcome) -> float:
    assert outcome.emerging is not None
    return outcome.emerging.others_before


def area(outcome: Outcome) -> float:
    """Mean AP over the rounds."""
    assert outcome.steady is not None
    return float(np.mean(outcome.steady.average_precision))


def _last_recall(outcome: Outcome) -> float:
    assert outcome.steady is not None
    return outcome.steady.recall_at_p80[-1]


def _found(outcome: Outcome, labels: int) -> int:
    assert outcome.emerging is not None
    return outcome.emerging.found[outcome.emerging.labels.index(labels)]


def _recall(outcome: Outcome) -> float:
    assert outcome.emerging is not None
    return outcome.emerging.recall[-1]


def _others(outcome: Outcome) -> float:
    assert outcome.emerging is not None
    return outcome.emerging.others[-1]


def _kept(outcome: Outcome) -> float:
    return _others(outcome) - _before(outcome)


def _by_strategy(outcomes: Sequence[Outcome]) -> dict[str, dict[int, Outcome]]:
    by: dict[str, dict[int, Outcome]] = {}
    for one in outcomes:
        by.setdefault(one.strategy, {})[one.seed] = one
    return by


def _mean(seeds: dict[int, Outcome], measure: Measure) -> Estimate:
    return _estimate(np.array([measure(one) for one in seeds.values()]))


def _behind(by: dict[str, dict[int, Outcome]], name: str, measure: Measure) -> Estimate | None:
    if name in (LSB, WHOLE_KIND) or LSB not in by:
        return None
    common = sorted(by[LSB].keys() & by[name].keys())
    return _estimate(np.array([measure(by[LSB][seed]) - measure(by[name][seed]) for seed in common]))


def _estimate(value_S: Float64) -> Estimate:
    """Of seeds alone: the pool and the test are what they are."""
    return Estimate.of(float(value_S.mean()), 0.0, seed_error(value_S), len(value_S))


def _curve(seeds: dict[int, Outcome]) -> tuple[Float64, Float64]:
    """Labels, and the mean AP after so many."""
    runs = [one.steady for one in seeds.values() if one.steady is not None]
    if not runs:
        return np.zeros(0), np.zeros(0)
    return np.array(runs[0].labels, np.float64), np.mean([run.average_precision for run in runs], axis=0)


def _labels_to(curve: tuple[Float64, Float64], reference: tuple[Float64, Float64]) -> float:
    """Where the mean curve first reaches what `REFERENCE_LABELS` random labels do, between rounds by a line."""
    if not len(reference[0]):
        return float("nan")
    goal = float(np.interp(REFERENCE_LABELS, *reference))
    labels_R, quality_R = curve
    reached = np.flatnonzero(quality_R >= goal)
    if not len(reached):
        return float("inf")
    first = int(reached[0])
    if first == 0:
        return float(labels_R[0])
    share = (goal - quality_R[first - 1]) / (quality_R[first] - quality_R[first - 1])
    return float(labels_R[first - 1] + share * (labels_R[first] - labels_R[first - 1]))
