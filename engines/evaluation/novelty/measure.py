"""Clips -> how well novelty tells things that were held out, and how often it is wrong about the others.

A thing is held out by leaving all training and validation clips that have it out of those that novelty is made with.
The network keeps what it has learnt of it, but for things of which it has learnt nothing.

Shape letters: N clips, T test clips that count, B replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.evaluation.metrics import recall_at_false_positives, weighted_area_under_roc
from engines.evaluation.novelty.spaces import Clips, Space
from engines.evaluation.resampling import Resampling
from engines.evaluation.study import Estimate

Float64 = NDArray[np.float64]

SENSES = ("seen", "heard")
#: Of test clips with it, for a thing to be held out.
FEWEST_CLIPS = 30
#: Shares of the clips without it that are called new.
RATES = (0.01, 0.05)


class Held(msgspec.Struct, frozen=True):
    """One thing in one space. auc: that a clip with it is farther off than one without; intervals over sources.

    detected: at each of `RATES`. restricted: whether it decides `adult`. learnt: whether the network has learnt of it.
    tuned: whether the settings of what verdicts say were chosen on it.
    """

    space: str
    sense: str
    thing: str
    restricted: bool
    learnt: bool
    tuned: bool
    clips: int
    auc: Estimate
    detected: tuple[float, ...]

    @property
    def group(self) -> str:
        """Things that are told alike."""
        parts = ((self.restricted, "decides a label"), (not self.learnt, "never learnt"), (self.tuned, "chosen on"))
        return ", ".join([self.sense, *(words for holds, words in parts if holds)])


class Group(msgspec.Struct, frozen=True):
    """Mean over the things of a group."""

    space: str
    group: str
    things: int
    auc: Estimate
    lowest: float
    highest: float
    detected: tuple[float, ...]


class Threshold(msgspec.Struct, frozen=True):
    """A distance that `rate` of the validation clips reach, or the share that says so; alarms: of known test clips."""

    space: str
    rate: float
    distance: float
    alarms: Estimate
    clips: int


class Novelty(msgspec.Struct, frozen=True):
    """All that was measured."""

    thresholds: list[Threshold]
    groups: list[Group]
    things: list[Held]


def candidates(clips: Clips) -> list[tuple[str, str]]:
    """Sense and thing of all that may be held out, most test clips first."""
    tests = [row for row in clips.rows if row.split == "test"]
    counts: dict[tuple[str, str], int] = {}
    for row in tests:
        for sense in SENSES:
            for thing in {span.thing for span in getattr(row, sense)}:
                counts[sense, thing] = counts.get((sense, thing), 0) + 1
    kept = [key for key, count in counts.items() if count >= FEWEST_CLIPS]
    return sorted(kept, key=lambda key: (SENSES.index(key[0]), -counts[key], key[1]))


def tuned_on(clips: Clips) -> frozenset[tuple[str, str]]:
    """Every other one of the things of each sense that the network has learnt of, the one of most test clips first."""
    learnt = [key for key in candidates(clips) if _is_learnt(clips, key[1])]
    return frozenset(key for sense in SENSES for key in [key for key in learnt if key[0] == sense][::2])


def measured(clips: Clips, resampling: Resampling, on_thing: Callable[..., None]) -> Novelty:
    """resampling: of the test clips, in the order of the rows."""
    found, draws, chosen_on = [], {}, tuned_on(clips)
    for sense, thing in candidates(clips):
        for one, draw_B in _held_out(clips, sense, thing, (sense, thing) in chosen_on, resampling):
            found.append(one)
            draws[one.space, sense, thing] = draw_B
        on_thing(note=thing)
    groups = []
    for space, group in dict.fromkeys((one.space, one.group) for one in found):
        of_group = [one for one in found if (one.space, one.group) == (space, group)]
        mean_B = np.mean([draws[one.space, one.sense, one.thing] for one in of_group], axis=0)
        aucs = [one.auc.value for one in of_group]
        detected = tuple(float(np.mean(shares)) for shares in zip(*(one.detected for one in of_group), strict=True))
        mean = Estimate.of(float(np.mean(aucs)), resampling.standard_error(mean_B), 0.0, 1)
        groups.append(Group(space, group, len(of_group), mean, min(aucs), max(aucs), detected))
    return Novelty(list(thresholds(clips, resampling)), groups, found)


def thresholds(clips: Clips, resampling: Resampling) -> Iterator[Threshold]:
    """Set on validation clips, and tried on the test clips of sources that the network has learnt from."""
    test_N, strange_N = clips.of_split("test"), clips.strange
    val_N, known_T = clips.of_split("val"), ~strange_N[test_N]
    weights_BT = resampling.weights_BN[:, known_T]
    for space in clips.spaces:
        parts = (val_N & ~strange_N, test_N & ~strange_N)
        set_on_M, tried_on_T = (space.said(part_N) for part_N in parts)
        for rate in RATES:
            distance = 1 - rate if space.is_share else float(np.quantile(set_on_M, 1 - rate))
            called_T = (tried_on_T >= distance).astype(np.float64)
            error = resampling.standard_error(weights_BT @ called_T / weights_BT.sum(1))
            alarms = Estimate.of(float(called_T.mean()), error, 0.0, 1)
            yield Threshold(space.name, rate, distance, alarms, int(known_T.sum()))


def _held_out(clips: Clips, sense: str, thing: str, tuned: bool, resampling: Resampling) -> list[tuple[Held, Float64]]:
    """In each space, with the AUC of each replicate. Other clips of sources that are strange are left out."""
    has_N = clips.have(sense, thing)
    anyhow_N = clips.have("seen", thing) | clips.have("heard", thing)
    test_N = clips.of_split("test")
    counted_N = test_N & (has_N | (~anyhow_N & ~clips.strange))
    label_T = has_N[counted_N].astype(np.float64)
    weights_BT = resampling.weights_BN[:, counted_N[test_N]]
    restricted = any(span.thing == thing for row in clips.rows for span in row.spans)
    learnt = _is_learnt(clips, thing)

    def held(space: Space) -> tuple[Held, Float64]:
        novelty_T = space.novelty(counted_N, ~anyhow_N)
        value = float(weighted_area_under_roc(label_T, novelty_T, np.ones((1, len(label_T))))[0])
        draw_B = weighted_area_under_roc(label_T, novelty_T, weights_BT)
        auc = Estimate.of(value, resampling.standard_error(draw_B), 0.0, 1)
        detected = tuple(recall_at_false_positives(label_T, novelty_T, rate) for rate in RATES)
        return Held(space.name, sense, thing, restricted, learnt, tuned, int(label_T.sum()), auc, detected), draw_B

    return [held(space) for space in clips.spaces]


def _is_learnt(clips: Clips, thing: str) -> bool:
    anyhow_N = clips.have("seen", thing) | clips.have("heard", thing)
    return bool((anyhow_N & clips.of_split("train")).any())


def resampling_of(clips: Clips, replicates: int) -> Resampling:
    """Of the test clips, by their sources."""
    groups: Sequence[Sequence[str]] = [row.groups for row in clips.rows if row.split == "test"]
    return Resampling(groups, replicates=replicates)
