"""What a run of the study is made of: the head, and how many labels each round brings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from engines.active.learner import Head, LogisticHead
from engines.active.vectors import Float32

#: Of the head; chosen on 860 random labels of the composed pool with other seeds than those reported.
PENALTY = 10.0
START, START_POSITIVES, BATCH, ROUNDS = 80, 8, 60, 13
KNOWN, REPORTS, HUNT_BATCH, HUNT_ROUNDS = 400, 3, 30, 4


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
    kind_head: of a kind that is hunted (`engines.active.watch`); None: there is none.
    """

    head: Head = field(default_factory=lambda: LogisticHead(PENALTY))
    batches: tuple[int, ...] = (BATCH,) * ROUNDS
    hunts: tuple[int, ...] = (HUNT_BATCH,) * HUNT_ROUNDS
    fused: bool = False
    judged: bool = True
    kind_head: Head | None = None


USUAL = Setup()
