"""Outcomes of streams whose source changes -> what each strategy reached, and how soon the allocation noticed.

Shape letters: S seeds, R rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.active.arms import ARMS
from engines.evaluation.resampling import seed_error
from engines.evaluation.selection.drift import AFTER, BEFORE, Drift, Stream, drift
from engines.evaluation.selection.study import DRIFT, LSB, Outcome, maker
from engines.evaluation.study import Estimate

Float64 = NDArray[np.float64]

FROZEN = "lsb_frozen"
COMPARED = ("random", "margin", FROZEN, LSB)
#: Rounds before the shift, and since it, that an arm's share is compared over: from the fourth on it is settled.
LAST, SETTLED = 2, 3
#: Of the slots: an arm whose share changes by less has nothing to notice.
MOVES = 0.05
#: Rounds of labels of the new source within which an allocation should notice (issue 5).
SOON = 2


@dataclass(frozen=True)
class DriftTask:
    """A run to be made."""

    stream: Stream
    strategy: str
    seed: int

    @property
    def key(self) -> tuple[str, str, str, int]:
        """As of its outcome."""
        return self.stream.name, DRIFT, self.strategy, self.seed

    def run(self) -> Outcome:
        """Strategies of one seed start from the same labels; both kinds of LSB are one until the shift."""
        frozen = self.strategy == FROZEN
        make, rng = maker(LSB if frozen else self.strategy), np.random.default_rng(self.seed)
        return Outcome(*self.key, drift=drift(self.stream, make, rng, frozen=frozen))


class Reached(msgspec.Struct, frozen=True):
    """One strategy on one stream. quality: mean AP over the rounds since the shift; behind: LSB's less its own, paired.

    found: positives of the new source after two rounds, and after all.
    """

    stream: str
    strategy: str
    quality: Estimate
    behind: Estimate | None
    found: tuple[float, float]


class Noticed(msgspec.Struct, frozen=True):
    """One arm of LSB on one stream, means over seeds. pays: worth of a label before and since the shift.

    shares: of the slots, before (last rounds), in each round since, and settled. rounds: of labels of the new source
    until its share is past half of the way; None: it has less than `MOVES` to go.
    """

    stream: str
    arm: str
    pays: tuple[float, float]
    before: float
    since: tuple[float, ...]
    settled: float
    rounds: int | None
    best: bool


def reached(outcomes: Sequence[Outcome]) -> list[Reached]:
    """By stream, best first."""
    found = []
    for stream, by in _by_stream(outcomes).items():
        rows = []
        for strategy, runs in by.items():
            behind = None
            if strategy != LSB and LSB in by:
                both = sorted(runs.keys() & by[LSB].keys())
                behind = _estimate([_quality(by[LSB][seed]) - _quality(runs[seed]) for seed in both])
            early, late = (float(np.mean([run.found[at] for run in runs.values()])) for at in (SOON - 1, -1))
            quality = _estimate([_quality(run) for run in runs.values()])
            rows.append(Reached(stream, strategy, quality, behind, (early, late)))
        found += sorted(rows, key=lambda one: -one.quality.value)
    return found


def noticed(outcomes: Sequence[Outcome]) -> list[Noticed]:
    """Of each arm that had a slot a run or more since the shift, the one that pays best first."""
    found = []
    for stream, by in _by_stream(outcomes).items():
        runs = list(by.get(LSB, {}).values())
        rows = [_noticed(stream, arm, runs) for arm in ARMS if _sum(runs, "slots", arm)[:, BEFORE:].sum() >= len(runs)]
        rows.sort(key=lambda one: -one.pays[1])
        found += [msgspec.structs.replace(one, best=place == 0) for place, one in enumerate(rows)]
    return found


def _noticed(stream: str, arm: str, runs: Sequence[Drift]) -> Noticed:
    slots_SR, worth_SR = _sum(runs, "slots", arm), _sum(runs, "worth", arm)
    all_R = np.mean([[sum(one.values()) for one in run.slots] for run in runs], axis=0)
    share_R = slots_SR.mean(0) / all_R
    before, since_R = float(share_R[BEFORE - LAST : BEFORE].mean()), share_R[BEFORE:]
    settled = float(since_R[SETTLED:].mean())
    rounds = None
    if abs(settled - before) >= MOVES:
        gone_R = (since_R - before) / (settled - before)
        rounds = int(np.flatnonzero(gone_R >= 0.5)[0])  # the first round since the shift is allocated without a label
    parts = (slice(BEFORE - LAST, BEFORE), slice(BEFORE, BEFORE + AFTER))
    early, late = (float(worth_SR[:, part].sum() / max(1.0, slots_SR[:, part].sum())) for part in parts)
    return Noticed(stream, arm, (early, late), before, tuple(since_R.tolist()), settled, rounds, False)


def _sum(runs: Sequence[Drift], field: str, arm: str) -> Float64:
    """(S, R)."""
    of_runs: list[Sequence[Mapping[str, float]]] = [getattr(run, field) for run in runs]
    return np.array([[one.get(arm, 0) for one in rounds] for rounds in of_runs], np.float64)


def _by_stream(outcomes: Sequence[Outcome]) -> dict[str, dict[str, dict[int, Drift]]]:
    found: dict[str, dict[str, dict[int, Drift]]] = {}
    for one in outcomes:
        if one.drift is not None:
            found.setdefault(one.arena, {}).setdefault(one.strategy, {})[one.seed] = one.drift
    return found


def _quality(run: Drift) -> float:
    return float(np.mean(run.average_precision[1:]))


def _estimate(values: Sequence[float]) -> Estimate:
    value_S = np.array(values)
    return Estimate.of(float(value_S.mean()), 0.0, seed_error(value_S), len(value_S))
