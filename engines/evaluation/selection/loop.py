"""A learner whose questions are answered at once, from labels that are known.

Shape letters: N videos, T of the test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from engines.active.arms import REPORTS
from engines.active.broaden import Lsb
from engines.active.learner import Head, Learner
from engines.active.pool import Situation
from engines.active.strategies.protocol import Strategy
from engines.active.vectors import Float32, Int64
from engines.evaluation.selection.arena import Arena
from engines.evaluation.selection.setup import USUAL, Embeds, Setup

#: A strategy for a pool of so many videos, new for each run, as some have a memory.
Make = Callable[[int], Strategy]


@dataclass(frozen=True)
class Round:
    """Places that were asked about; of strategies with arms the slots of each, and what its labels were worth."""

    chosen: Int64
    slots: dict[str, int]
    worth: dict[str, float]


class Loop:
    """Round after round over one pool. `start`: labelled from the beginning; `reports`: said to be positive."""

    def __init__(
        self,
        arena: Arena,
        make: Make,
        start: Int64,
        reports: Int64,
        rng: np.random.Generator,
        setup: Setup = USUAL,
    ) -> None:
        self._arena, self._rng, self._setup, self._reports = arena, rng, setup, reports
        label_N = np.full(len(arena.label_N), np.nan, np.float32)
        label_N[start] = arena.label_N[start]
        reported_N = np.zeros(len(label_N), np.bool_)
        reported_N[reports] = True
        situation = Situation(arena.embedding_ND, label_N, label_N, arena.views, reported_N=reported_N)
        self.strategy = make(len(label_N))
        self._learner = Learner(situation, setup.head, self.strategy, arena.feature_NF)
        self._committee = self.strategy.name == "bald"
        self._learner.refit(label_N, rng, with_committee=self._committee)
        self._embed()

    @property
    def labelled(self) -> Int64:
        """Places of all labels so far."""
        return self._learner.situation.labelled

    @property
    def situation(self) -> Situation:
        """As it is now."""
        return self._learner.situation

    @property
    def head(self) -> Head:
        """As fitted last."""
        return self._learner.head

    @property
    def kin(self) -> Int64:
        """Places of the kind that was reported, as far as the strategy knows: reports, and what it found by them."""
        found = self.strategy.memory.kin.get(REPORTS, []) if isinstance(self.strategy, Lsb) else []
        return np.union1d(self._reports, np.array(found, np.int64))

    def test_scores(self) -> Float32:
        """What the head says of the test clips, (T,)."""
        return self._learner.head.scores(self._arena.feature_TF)

    def round(self, count: int, *, is_last: bool = False, is_hunt: bool = False) -> Round:
        """Ask about `count` videos, and learn from the answers.

        Nobody asks for scores of the pool after the last round, nor for a head that is not judged.
        """
        chosen = self._learner.query(count, self._rng)
        if is_last and is_hunt and not self._setup.judged:
            return Round(chosen, {}, {})
        answers = self._arena.label_N[chosen]
        self._learner.update(answers, self._rng, with_committee=self._committee, scored=not is_last)
        if not is_last:
            self._embed()
        return self._learnt(chosen)

    def _learnt(self, chosen: Int64) -> Round:
        """What the strategy makes of the answers."""
        if not isinstance(self.strategy, Lsb):
            return Round(chosen, {}, {})
        ids = [self.strategy.ids[place] for place in chosen]
        labels = {one: int(self._arena.label_N[place]) for one, place in zip(ids, chosen, strict=True)}
        asked = [(one, self.strategy.memory.open[one]) for one in ids]
        worth: dict[str, float] = {}
        for one, ask in asked:
            worth[ask.arm] = worth.get(ask.arm, 0.0) + self.strategy.worth(ask.score, labels[one])
        self.strategy.learn(labels)
        return Round(chosen, dict(Counter(ask.arm for _, ask in asked)), worth)

    def _embed(self) -> None:
        head = self._learner.head
        if self._setup.fused and isinstance(head, Embeds):
            embedding_ND = head.embeddings(self._arena.feature_NF)
            self._learner.situation = replace(self._learner.situation, embedding_ND=embedding_ND)
