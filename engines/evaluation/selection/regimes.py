"""Rounds of labelling with answers that are known: a steady stream, and a kind that is new.

Shape letters: N videos, R rounds.
"""

from __future__ import annotations

import msgspec
import numpy as np

from engines.evaluation.metrics import average_precision, recall_at_false_positives, recall_at_precision
from engines.evaluation.selection.arena import Arena, Kind
from engines.evaluation.selection.loop import Loop, Make
from engines.evaluation.selection.setup import KNOWN, REPORTS, START, START_POSITIVES, USUAL, Setup


class Steady(msgspec.Struct, frozen=True):
    """Quality on the test before the first round and after each, (R + 1,)."""

    labels: tuple[int, ...]
    average_precision: tuple[float, ...]
    recall_at_p80: tuple[float, ...]


class Emerging(msgspec.Struct, frozen=True):
    """After each round, (R,): videos of the kind found, its recall at 5 % false positives, AP on all other clips.

    others_before: that AP before the first round. recall, others: empty where the head was not judged.
    """

    labels: tuple[int, ...]
    found: tuple[int, ...]
    recall: tuple[float, ...]
    others: tuple[float, ...]
    others_before: float


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
    this, old = (arena.label_T == 0) | kind.test_T, ~kind.test_T
    labels, found, recall, others, total = [], [], [], [], 0
    before = average_precision(arena.label_T[old], loop.test_scores()[old])
    for number, count in enumerate(setup.hunts):
        chosen = loop.round(count, is_last=number + 1 == len(setup.hunts), is_hunt=True).chosen
        total += int(kind.pool_N[chosen].sum())
        labels.append(sum(setup.hunts[: number + 1]))
        found.append(total)
        if not setup.judged:
            continue
        score_T = loop.test_scores()
        recall.append(recall_at_false_positives(kind.test_T[this].astype(np.float32), score_T[this]))
        others.append(average_precision(arena.label_T[old], score_T[old]))
    return Emerging(tuple(labels), tuple(found), tuple(recall), tuple(others), before)
