"""What labels say of verdicts, task by task: what was caught and missed, by which way, and what sound added.

"Bad" is what a task shall call: clickbait, adult, and what is not relevant. Scores here rise with badness.

Shape letters: N videos, D embedding size, R repeats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.evaluation.metrics import average_precision
from engines.pilot.few_shot import FEWEST, Bool, Costs, Float64, Traits, by_cost, few_shot
from engines.pilot.uncertainty import Reach, bootstrap, share

WayName = Literal["shipped", "by_cost", "head"]
WAYS: tuple[WayName, ...] = ("shipped", "by_cost", "head")


@dataclass(frozen=True)
class Evidence:
    """One task on the labelled videos that could be judged.

    called_N: by the shipped thresholds. scores_N, without_N: calibrated probabilities with and without sound.
    without_called_N: what would have been called without sound. embeddings_ND,
    views: as of `Traits`.
    """

    files: Sequence[str]
    bad_N: Bool
    called_N: Bool
    scores_N: Float64
    without_called_N: Bool
    without_N: Float64
    embeddings_ND: Float64
    views: Mapping[str, Float64] = field(default_factory=dict)

    @property
    def traits(self) -> Traits:
        """What a head may read of them."""
        return Traits(self.scores_N, self.embeddings_ND, self.views)


class Way(msgspec.Struct, frozen=True):
    """One way to call videos. caught: share of the bad ones; false_alarms: of the good ones; `called`: files."""

    caught: Reach
    false_alarms: Reach
    average_precision: Reach
    called: tuple[str, ...]


class Audio(msgspec.Struct, frozen=True):
    """With sound - without, on the same videos by the same bundle: paired. Files that sound alone changed."""

    average_precision: Reach
    caught: Reach
    caught_by_sound: tuple[str, ...]
    lost_by_sound: tuple[str, ...]
    alarms_by_sound: tuple[str, ...]
    spared_by_sound: tuple[str, ...]


class Finding(msgspec.Struct, frozen=True):
    """One task. best: the way that is recommended. missed, caught, false_alarms: files under it."""

    task: str
    videos: int
    bad: int
    ways: dict[WayName, Way]
    best: WayName
    audio: Audio | None
    missed: tuple[str, ...]
    caught: tuple[str, ...]
    false_alarms: tuple[str, ...]


def find(task: str, evidence: Evidence, costs: Costs, rng: np.random.Generator) -> Finding:
    """All that is said of a task. With fewer than `FEWEST` of a class only the shipped way, without sound's part."""
    bad_N = evidence.bad_N
    bad, good = int(bad_N.sum()), int((~bad_N).sum())
    called: dict[WayName, tuple[Float64, Bool]] = {"shipped": (evidence.scores_N, evidence.called_N[None])}
    enough = min(bad, good) >= FEWEST
    if enough:
        cheap = by_cost(evidence.scores_N, bad_N, costs, rng)
        fitted = few_shot(evidence.traits, bad_N, costs, rng)
        called |= {"by_cost": (cheap.scores_N, cheap.called_RN), "head": (fitted.scores_N, fitted.called_RN)}
    best = _best({name: calls_RN for name, (_, calls_RN) in called.items()}, bad_N, costs, rng)
    mostly_N = called[best][1].mean(0) >= 0.5
    files_N = np.array(evidence.files, object)
    return Finding(
        task=task,
        videos=len(bad_N),
        bad=bad,
        ways={name: _way(files_N, bad_N, scores_N, calls_RN, rng) for name, (scores_N, calls_RN) in called.items()},
        best=best,
        audio=_audio(files_N, evidence, rng) if enough else None,
        missed=tuple(files_N[bad_N & ~mostly_N]),
        caught=tuple(files_N[bad_N & mostly_N]),
        false_alarms=tuple(files_N[~bad_N & mostly_N]),
    )


def _way(files_N: NDArray[np.object_], bad_N: Bool, scores_N: Float64, calls_RN: Bool, rng: np.random.Generator) -> Way:
    bad, good = int(bad_N.sum()), int((~bad_N).sum())
    nothing = Reach(float("nan"), 0.0, 1.0, 0)
    precise = bootstrap(partial(_precision, bad_N, scores_N), bad_N, rng) if bad and good else nothing
    return Way(
        share(float(calls_RN[:, bad_N].sum(1).mean()), bad) if bad else nothing,
        share(float(calls_RN[:, ~bad_N].sum(1).mean()), good) if good else nothing,
        precise,
        tuple(files_N[calls_RN.mean(0) >= 0.5]),
    )


def _precision(bad_N: Bool, scores_N: Float64, chosen_M: NDArray[np.int64]) -> float:
    return average_precision(bad_N[chosen_M].astype(np.float64), scores_N[chosen_M])


def _best(calls: dict[WayName, Bool], bad_N: Bool, costs: Costs, rng: np.random.Generator) -> WayName:
    """A later way takes over only when it is cheaper by more than chance: its paired interval is below 0."""

    def price_of(name: WayName) -> Float64:
        called_N = calls[name].mean(0)
        return np.asarray(np.where(bad_N, (1 - called_N) * costs.miss, called_N * costs.false_alarm))

    best: WayName = "shipped"
    for name in calls:
        if name != best and bootstrap(partial(_mean, price_of(name) - price_of(best)), bad_N, rng).high < 0:
            best = name
    return best


def _mean(values_N: Float64, chosen_M: NDArray[np.int64]) -> float:
    return float(values_N[chosen_M].mean())


def _audio(files_N: NDArray[np.object_], evidence: Evidence, rng: np.random.Generator) -> Audio:
    bad_N, with_N, without_N = evidence.bad_N, evidence.called_N, evidence.without_called_N

    def gain(chosen_M: NDArray[np.int64]) -> float:
        return _precision(bad_N, evidence.scores_N, chosen_M) - _precision(bad_N, evidence.without_N, chosen_M)

    def caught(chosen_M: NDArray[np.int64]) -> float:
        bad_M = chosen_M[bad_N[chosen_M]]
        return float(with_N[bad_M].mean() - without_N[bad_M].mean())

    return Audio(
        bootstrap(gain, bad_N, rng),
        bootstrap(caught, bad_N, rng),
        tuple(files_N[bad_N & with_N & ~without_N]),
        tuple(files_N[bad_N & ~with_N & without_N]),
        tuple(files_N[~bad_N & with_N & ~without_N]),
        tuple(files_N[~bad_N & ~with_N & without_N]),
    )
