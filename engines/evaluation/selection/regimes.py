"""Rounds of labelling with answers that are known: a steady stream, and a kind that is new.

Shape letters: N videos, R rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import msgspec
import numpy as np

from engines.active.broaden import Lsb
from engines.active.learner import Head, Learner, LogisticHead
from engines.active.pool import Situation
from engines.active.strategies.protocol import Strategy
from engines.active.vectors import Float32, Int64
from engines.evaluation.metrics import average_precision, recall_at_false_positives, recall_at_precision
from engines.evaluation.selection.arena import Arena, Kind

#: Of the head; chosen on 860 random labels of the composed pool with other seeds than those reported.
PENALTY = 10.0
START, START_POSITIVES, BATCH, ROUNDS = 80, 8, 60, 13
KNOWN, REPORTS, HUNT_BATCH, HUNT_ROUNDS = 400, 3, 30, 4

#: A strategy for a pool of so many videos, new for each run, as some have a memory.
Make = Callable[[int], Strategy]


@runtime_checkable
class Embeds(Protocol):
    """A head that has a fused embedding of its own, another one after each fit."""

    def embeddings(self, feature_ND: Float32) -> Float32:
        """float32 (N, D), unit norm."""


@dataclass(frozen=True)
class Setup:
    """Which head is fitted, and how many labels each round of a steady stream and of a hunt brings.

    fused: strategies see the embedding of the head, which must have one, anew each round, instead of the arena's.
    judged: whether the head is fitted after each round of a hunt, and judged; else its rounds are counted only.
    """

    head: Head = field(default_factory=lambda: LogisticHead(PENALTY))
    batches: tuple[int, ...] = (BATCH,) * ROUNDS
    hunts: tuple[int, ...] = (HUNT_BATCH,) * HUNT_ROUNDS
    fused: bool = False
    judged: bool = True


USUAL = Setup()


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
    loop = _Loop(arena, make, np.concatenate(start), np.zeros(0, np.int64), rng, setup)
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
    loop = _Loop(arena, make, np.concatenate([start, reports]), reports, rng, setup)
    this, old = (arena.label_T == 0) | kind.test_T, ~kind.test_T
    labels, found, recall, others, total = [], [], [], [], 0
    before = average_precision(arena.label_T[old], loop.test_scores()[old])
    for number, count in enumerate(setup.hunts):
        chosen = loop.round(count, is_last=number + 1 == len(setup.hunts), is_hunt=True)
        total += int(kind.pool_N[chosen].sum())
        labels.append(sum(setup.hunts[: number + 1]))
        found.append(total)
        if not setup.judged:
            continue
        score_T = loop.test_scores()
        recall.append(recall_at_false_positives(kind.test_T[this].astype(np.float32), score_T[this]))
        others.append(average_precision(arena.label_T[old], score_T[old]))
    return Emerging(tuple(labels), tuple(found), tuple(recall), tuple(others), before)


class _Loop:
    """A learner whose questions are answered at once."""

    def __init__(
        self, arena: Arena, make: Make, start: Int64, reports: Int64, rng: np.random.Generator, setup: Setup
    ) -> None:
        self._arena, self._rng, self._setup = arena, rng, setup
        label_N = np.full(len(arena.label_N), np.nan, np.float32)
        label_N[start] = arena.label_N[start]
        reported_N = np.zeros(len(label_N), np.bool_)
        reported_N[reports] = True
        situation = Situation(arena.embedding_ND, label_N, label_N, arena.views, reported_N=reported_N)
        self._strategy = make(len(label_N))
        self._learner = Learner(situation, setup.head, self._strategy, arena.feature_NF)
        self._committee = self._strategy.name == "bald"
        self._learner.refit(label_N, rng, with_committee=self._committee)
        self._embed()

    def test_scores(self) -> np.ndarray:
        return self._learner.head.scores(self._arena.feature_TF)

    def round(self, count: int, *, is_last: bool, is_hunt: bool = False) -> Int64:
        """Nobody asks for scores of the pool after the last, nor for a head that is not judged."""
        chosen = self._learner.query(count, self._rng)
        if is_last and is_hunt and not self._setup.judged:
            return chosen
        answers = self._arena.label_N[chosen]
        self._learner.update(answers, self._rng, with_committee=self._committee, scored=not is_last)
        if isinstance(self._strategy, Lsb):
            self._strategy.learn({str(place): int(self._arena.label_N[place]) for place in chosen.tolist()})
        if not is_last:
            self._embed()
        return chosen

    def _embed(self) -> None:
        head = self._learner.head
        if self._setup.fused and isinstance(head, Embeds):
            embedding_ND = head.embeddings(self._arena.feature_NF)
            self._learner.situation = replace(self._learner.situation, embedding_ND=embedding_ND)
