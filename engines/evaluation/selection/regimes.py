"""Rounds of labelling with answers that are known: a steady stream, and a kind that is new.

Shape letters: N videos, R rounds.
"""

from __future__ import annotations

import msgspec
import numpy as np

from engines.active.learner import Head
from engines.active.vectors import Float32
from engines.active.watch import Examples, Joint, of_kind, of_the_rest
from engines.evaluation.metrics import average_precision, recall_at_false_positives, recall_at_precision
from engines.evaluation.selection.arena import Arena, Kind
from engines.evaluation.selection.loop import Loop, Make
from engines.evaluation.selection.setup import KNOWN, REPORTS, START, START_POSITIVES, USUAL, Setup


class Steady(msgspec.Struct, frozen=True):
    """Quality on the test before the first round and after each, (R + 1,)."""

    labels: tuple[int, ...]
    average_precision: tuple[float, ...]
    recall_at_p80: tuple[float, ...]


class Watched(msgspec.Struct, frozen=True):
    """The same with a head of its own for the kind. alone: recall of the kind by that head, (R + 1,), the first from
    reports and no label of the hunt. recall, others: of both heads as one score, (R,).
    """

    alone: tuple[float, ...]
    recall: tuple[float, ...]
    others: tuple[float, ...]


class Emerging(msgspec.Struct, frozen=True, omit_defaults=True):
    """After each round, (R,): videos of the kind found, copies once; its recall at 5 % false positives; AP on all other
    clips.

    others_before: that AP before the first round. recall, others: empty where the head was not judged.
    """

    labels: tuple[int, ...]
    found: tuple[int, ...]
    recall: tuple[float, ...]
    others: tuple[float, ...]
    others_before: float
    watched: Watched | None = None


def whole_kind(arena: Arena, kind: Kind, rng: np.random.Generator, setup: Setup = USUAL) -> Emerging:
    """What the head makes of the known labels and of all videos of the kind: what a hunt can come to."""
    start = rng.choice(np.flatnonzero(~kind.pool_N), KNOWN, False)
    kin = np.flatnonzero(kind.pool_N)
    rounds = len(setup.hunts)
    found, recall, others = [], [], []
    for place in (start, np.concatenate([start, kin])):
        score_T = setup.head.fit(arena.feature_NF[place], arena.label_N[place], rng).scores(arena.feature_TF)
        found.append(int(kind.pool_N[place].sum()))
        recall.append(_recall_of(arena, kind, score_T))
        others.append(_others_of(arena, kind, score_T))
    labels = tuple(int(sum(setup.hunts[: number + 1])) for number in range(rounds))
    return Emerging(labels, (found[1],) * rounds, (recall[1],) * rounds, (others[1],) * rounds, others[0])


def _recall_of(arena: Arena, kind: Kind, score_T: Float32) -> float:
    this_T = (arena.label_T == 0) | kind.test_T
    return recall_at_false_positives(kind.test_T[this_T].astype(np.float32), score_T[this_T])


def _others_of(arena: Arena, kind: Kind, score_T: Float32) -> float:
    return average_precision(arena.label_T[~kind.test_T], score_T[~kind.test_T])


def steady(arena: Arena, make: Make, rng: np.random.Generator, setup: Setup = USUAL) -> Steady:
    """From `START` labels on, a round for each batch."""
    positives, negatives = (np.flatnonzero(arena.label_N == label) for label in (1, 0))
    start = [rng.choice(positives, START_POSITIVES, False), rng.choice(negatives, START - START_POSITIVES, False)]
    loop = Loop(arena, make, np.concatenate(start), np.zeros(0, np.int64), rng, setup)
    labels, precision, recall = [], [], []
    for number in range(len(setup.batches) + 1):
        score_T = loop.test_scores()
        labels.append(START + sum(setup.batches[:number]))
        precision.append(average_precision(arena.label_T, score_T))
        recall.append(recall_at_precision(arena.label_T, score_T))
        if number < len(setup.batches):
            loop.round(setup.batches[number], is_last=number + 1 == len(setup.batches))
    return Steady(tuple(labels), tuple(precision), tuple(recall))


def emerging(arena: Arena, kind: Kind, make: Make, rng: np.random.Generator, setup: Setup = USUAL) -> Emerging:
    """From `KNOWN` labels of which none is of the kind, and `REPORTS` reports of it, a round for each hunt."""
    start = rng.choice(np.flatnonzero(~kind.pool_N), KNOWN, False)
    reports = rng.choice(np.flatnonzero(kind.pool_N), REPORTS, False)
    loop = Loop(arena, make, np.concatenate([start, reports]), reports, rng, setup)
    labels, found, recall, others, watched = [], [], [], [], []
    kin = np.zeros(0, np.int64)
    before = _others_of(arena, kind, loop.test_scores())
    watched.append(_watch(arena, kind, loop, setup.kind_head, rng))
    for number, count in enumerate(setup.hunts):
        chosen = loop.round(count, is_last=number + 1 == len(setup.hunts), is_hunt=True).chosen
        kin = np.concatenate([kin, chosen[kind.pool_N[chosen]]])
        labels.append(sum(setup.hunts[: number + 1]))
        found.append(len(np.unique(arena.embedding_ND[kin], axis=0)))
        if not setup.judged:
            continue
        score_T = loop.test_scores()
        recall.append(_recall_of(arena, kind, score_T))
        others.append(_others_of(arena, kind, score_T))
        watched.append(_watch(arena, kind, loop, setup.kind_head, rng))
    return Emerging(tuple(labels), tuple(found), tuple(recall), tuple(others), before, _together(watched))


def _watch(
    arena: Arena, kind: Kind, loop: Loop, head: Head | None, rng: np.random.Generator
) -> tuple[float, float, float] | None:
    """Recall of the kind by its own head; recall and others by both heads as one score."""
    if head is None:
        return None
    label_N, kin, pool = loop.situation.label_N, loop.kin, loop.situation.unlabelled

    def scores(examples: Examples, of: Head) -> tuple[Float32, Float32]:
        fitted = of.fit(arena.feature_NF[examples.place_L], examples.label_L, rng)
        return fitted.scores(arena.feature_NF[pool]), fitted.scores(arena.feature_TF)

    kind_N, kind_T = scores(of_kind(label_N, kin), head)
    task_N, task_T = scores(of_the_rest(label_N, kin), loop.head)
    joint_T = Joint.of(task_N, kind_N).scores(task_T, kind_T)
    return _recall_of(arena, kind, kind_T), _recall_of(arena, kind, joint_T), _others_of(arena, kind, joint_T)


def _together(watched: list[tuple[float, float, float] | None]) -> Watched | None:
    """Of the moment before the first round, and of each round."""
    told = [one for one in watched if one is not None]
    if not told:
        return None
    alone, recall, others = zip(*told, strict=True)
    return Watched(alone, recall[1:], others[1:])
