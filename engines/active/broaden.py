"""LSB, latent space broadening: the next batch from what is like the videos that matter now.

The idea is that of arXiv 2503.17551: broaden by nearest neighbours in the latent space, as uncertainty never reaches
videos that the model is confidently wrong about. The paper's exact rule is not public. **What is here is our design**:

1. Seeds: reports, positives just found, errors just made.
2. Their k nearest neighbours in the fused space and in each view, inside a calibrated lookalike band, ranked by
   likeness in the spaces where the seeds agree.
3. Slots of the batch go to arms (broaden from reports, from positives, from errors; uncertain; likely; random) by a
   bandit that learns from each round what labels were worth.
4. Copies of what is labelled, or in the batch already, are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from engines.active.allocate import Pick, Shelf, allocate
from engines.active.arms import (
    ARMS,
    BROADENING,
    ERRORS,
    LIKELY_ARM,
    POSITIVES,
    PROBE,
    REPORTS,
    UNCERTAIN,
    Lookalikes,
    Ranked,
    Reach,
    by_score,
)
from engines.active.bandit import Bandit
from engines.active.lookalike import SAME
from engines.active.memory import Asked, Memory
from engines.active.pool import Situation
from engines.active.vectors import Int64

#: Candidates beyond a batch, for those that others take or that are copies.
SPARE = 5
#: Slots' worth of belief about each arm before any label: (gained, missed).
PRIORS: Mapping[str, tuple[float, float]] = {
    REPORTS: (6.0, 2.0),
    POSITIVES: (0.35, 2.1),
    ERRORS: (0.35, 2.1),
    UNCERTAIN: (2.0, 5.0),
    LIKELY_ARM: (0.5, 4.5),
    PROBE: (0.2, 4.8),
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The defaults were tuned on seeds that no reported figure is of (`earshot evaluate select`).

    priors: of the arms, as of `Bandit`. false_alarm: what a label is worth that shows one, of what shows a miss.
    same: cosine from which two videos are one. unsure: the share of a batch that goes to the uncertain arm at least;
    unsure_hunting: the same while an arm that broadens is expected to yield `pays` or more; unsure_seeking: the same
    while it does, and reports have not yet brought `enough` positives.
    """

    reach: Reach = field(default_factory=Reach)
    arms: tuple[str, ...] = ARMS
    priors: Mapping[str, tuple[float, float]] = field(default_factory=lambda: PRIORS)
    discount: float = 0.5
    explore: float = 0.05
    false_alarm: float = 0.3
    same: float = SAME
    unsure: float = 0.9
    unsure_hunting: float = 0.7
    unsure_seeking: float = 0.2
    enough: int = 20
    pays: float = 0.35


class Lsb:
    """A query strategy with a memory: `query`, then `learn` from the labels, round by round."""

    name = "lsb"

    def __init__(self, ids: Sequence[str], memory: Memory | None = None, options: Options | None = None) -> None:
        """ids: of the videos by place. The memory is changed in place."""
        self.ids = ids
        self.memory = memory or Memory()
        self.options = options or Options()
        self.bandit = Bandit(
            self.options.priors, self.memory.arms, discount=self.options.discount, explore=self.options.explore
        )
        self._broadening = [arm for arm in self.options.arms if arm in BROADENING]
        self._lookalikes: Lookalikes | None = None
        self._places = {video_id: place for place, video_id in enumerate(ids)}

    def query(self, situation: Situation, count: int, rng: np.random.Generator) -> Int64:
        """As of `Strategy`. Remembers what it asks."""
        return np.array([pick.place for pick in self.picks(situation, count, rng)], np.int64)

    def picks(self, situation: Situation, count: int, rng: np.random.Generator) -> list[Pick]:
        """`count` picks in the order in which they were drawn; fewer where the pool has no more."""
        ranked = self._ranked(situation, count, rng)
        options = self.options
        shelf = Shelf(ranked, situation, options.same)
        paying = any(len(ranked[arm].places) and self.bandit.expected(arm) >= options.pays for arm in self._broadening)
        unsure = self._unsure(situation) if paying else options.unsure
        return self.remember(allocate(shelf, self.bandit, count, unsure, rng), situation)

    def _unsure(self, situation: Situation) -> float:
        """The share of the uncertain arm while broadening pays: small until reports have brought enough."""
        seeking = len(situation.reported) and len(self.memory.kin.get(REPORTS, [])) < self.options.enough
        return self.options.unsure_seeking if seeking else self.options.unsure_hunting

    def remember(self, picks: list[Pick], situation: Situation) -> list[Pick]:
        """Keep as asked; picks of other strategies too, so that their answers are seeds of later rounds."""
        for pick in picks:
            score = float(situation.score_N[pick.place])
            self.memory.open[self.ids[pick.place]] = Asked(pick.arm, None if np.isnan(score) else score)
        return picks

    def learn(self, labels: Mapping[str, int]) -> None:
        """Labels by video id, 0 or 1: whatever answers an open request teaches the bandit."""
        answered = self.memory.answered(labels)
        if answered:
            self.bandit.learn(
                {arm: [self.worth(one.score, label) for one, label in asked] for arm, asked in answered.items()}
            )

    def worth(self, score: float | None, label: int) -> float:
        """What a label taught, in [0, 1]: how far the model was off. A missed positive counts in full, a false alarm
        by `false_alarm`; without a score a positive counts in full.
        """
        if label:
            return 1 - (score or 0.0)
        return self.options.false_alarm * (score or 0.0)

    def _ranked(self, situation: Situation, count: int, rng: np.random.Generator) -> dict[str, Ranked]:
        lookalikes = self._lookalikes = Lookalikes(situation, self.options.reach, rng, self._lookalikes)
        found = {}
        for arm in self.options.arms:
            if arm in BROADENING:
                seeds = self.seeds(arm, situation)
                found[arm] = lookalikes.ranked(seeds, np.setdiff1d(situation.of_label(0), seeds))
            else:
                found[arm] = by_score(arm, situation, count + count // 4 + SPARE, rng)
        return found

    def seeds(self, arm: str, situation: Situation) -> Int64:
        """What an arm broadens from, as places. Reports: and all positives that came of them."""
        memory = self.memory
        if arm == REPORTS:
            kin = self._find(memory.kin.get(REPORTS, [])) if len(situation.reported) else situation.reported
            return np.concatenate([situation.reported, kin])
        if arm == ERRORS:
            return self._find(memory.erred)
        return self._find(memory.found)

    def _find(self, ids: Sequence[str]) -> Int64:
        return np.array([self._places[one] for one in ids if one in self._places], np.int64)
