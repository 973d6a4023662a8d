"""Test clips one after the other as one long video, with labels that follow from what is there.

Shape letters: K tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engines.data.public.judging import grade, met_by
from engines.data.public.manifest import Row
from engines.data.public.named import says_what_is_there, topics
from engines.spec import TASKS
from engines.training.features import TEST, FeatureSet
from engines.training.joined_clips import PART_SECONDS

ADULT = TASKS.index("adult")
#: What gives a harmless video away.
HARMLESS = "none"


@dataclass(frozen=True)
class Joined:
    """One long video. parts: clips in order; said: the one whose title and query it has.

    truth_K: in the order of `TASKS`: whether no part keeps the title's promise, whether one is restricted, and the
    query's grade, 0 to 3. restricted_by: the evidence of that part, or "none".
    """

    parts: tuple[int, ...]
    said: int
    truth_K: tuple[float, float, float]
    restricted_by: str

    @property
    def seconds(self) -> float:
        """Its length."""
        return PART_SECONDS * len(self.parts)


class Joiner:
    """Draws long videos from the test clips whose rows say what is there."""

    def __init__(self, features: FeatureSet, most_parts: int) -> None:
        """most_parts: of the longest video. Raises `ValueError` when there are too few clips for it."""
        self._rows: Sequence[Row] = features.rows
        self._topics = {topic.name: topic for topic in topics()}
        known = [int(n) for n in features.indices(TEST) if says_what_is_there(self._rows[int(n)])]
        self._restricted = [n for n in known if features.labels_NK[n, ADULT] == 1]
        self._harmless = [n for n in known if features.labels_NK[n, ADULT] == 0]
        if not self._restricted or len(self._harmless) < most_parts:
            raise ValueError(
                f"{features.folder}: came {len(self._restricted)} restricted and {len(self._harmless)} harmless test "
                f"clips that say what is seen and heard in them, expected some and {most_parts}; compose a dataset"
            )

    def draw(self, parts: int, is_restricted: bool, rng: np.random.Generator) -> Joined:
        """A video of so many clips, one of which, anywhere, is restricted or none; its words are that one's."""
        chosen = rng.choice(self._harmless, parts, replace=False).tolist()
        at = int(rng.integers(parts))
        if is_restricted:
            chosen[at] = int(rng.choice(self._restricted))
        own = self._rows[chosen[at]]
        seen = [span for n in chosen for span in self._rows[n].seen]
        heard = [span for n in chosen for span in self._rows[n].heard]
        promised, wanted = self._topics[str(own.title_topic)], self._topics[str(own.query_topic)]
        is_broken = met_by(promised, seen, heard) == "none"
        truth_K = (float(is_broken), float(is_restricted), float(grade(wanted, seen, heard, promised)[0]))
        return Joined(tuple(chosen), chosen[at], truth_K, own.evidence["adult"] if is_restricted else HARMLESS)
