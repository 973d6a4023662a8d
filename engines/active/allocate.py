"""The slots of a batch, one by one: the bandit names an arm, and the arm gives the best video that it has left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engines.active.arms import UNCERTAIN, Ranked
from engines.active.bandit import Bandit
from engines.active.pool import Situation
from engines.active.vectors import highest


@dataclass(frozen=True)
class Pick:
    """One video of a batch: who chose it, and the seed it is like, as places of the pool."""

    place: int
    arm: str
    seed: int | None


class Shelf:
    """What arms have to offer. No video is given twice, and none that is a copy of a labelled or a given one."""

    def __init__(self, ranked: Mapping[str, Ranked], situation: Situation, same: float) -> None:
        """same: cosine of the fused embeddings from which two videos are one."""
        self._ranked, self._situation, self._same = ranked, situation, same
        self._next = dict.fromkeys(ranked, 0)
        self._seen: set[int] = set()
        self._labelled_LD = situation.embedding_ND[situation.labelled]
        self._given: list[int] = []

    def able(self) -> list[str]:
        """Arms that have candidates left, copies maybe."""
        return [arm for arm, at in self._next.items() if at < len(self._ranked[arm].places)]

    def take(self, arm: str) -> Pick | None:
        """The arm's best that is left; None where it has none."""
        ranked = self._ranked[arm]
        while (at := self._next[arm]) < len(ranked.places):
            self._next[arm] += 1
            place = int(ranked.places[at])
            if place not in self._seen:
                self._seen.add(place)
                if not self._is_copy(place):
                    self._given.append(place)
                    return Pick(place, arm, ranked.seed_of(at))
        return None

    def _is_copy(self, place: int) -> bool:
        rows = self._situation.embedding_ND
        known = (self._labelled_LD, rows[self._given])
        return any(float(highest(rows[[place]], others)[0][0]) >= self._same for others in known)


def allocate(shelf: Shelf, bandit: Bandit, count: int, unsure: float, rng: np.random.Generator) -> list[Pick]:
    """`count` picks in the order in which they were drawn; fewer where nothing is left.

    The share `unsure` goes to the uncertain arm whatever it pays, as long as it has something to offer.
    """
    picks: list[Pick] = []
    had = 0
    while len(picks) < count and (able := shelf.able()):
        due = UNCERTAIN in able and had < unsure * (len(picks) + 1)
        pick = shelf.take(UNCERTAIN if due else bandit.choose(able, rng))
        if pick is not None:
            picks.append(pick)
            had += pick.arm == UNCERTAIN
    return picks
