"""New examples from training clips: the pictures of one, the sound of another, a title and a query of others.

Labels follow from what is there, as in composing: only clips whose row says what is seen and heard in them, and what
their title and query are about, take part. Shares of labels stay those of the training clips.

Shape letters: K tasks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.data.public.judging import grade, met_by
from engines.data.public.manifest import Row, Span
from engines.data.public.named import says_what_is_there, topics
from engines.data.public.topics import Topic
from engines.training.features import HIGHEST_GRADE, FeatureSet

#: Draws until the clip keeps its own title or query.
TRIES = 40


@dataclass(frozen=True, kw_only=True)
class RemixOptions:
    """Shares in [0, 1] of clips that get another sound, title, query."""

    sound: float = 0.0
    title: float = 0.0
    query: float = 0.0


@dataclass(frozen=True)
class Remixed:
    """Whose sound, which text, and targets in the order of `TASKS`."""

    sound: int
    fields: Mapping[str, str]
    targets_K: NDArray[np.float32]


class Remixer:
    """Draws from the clips of one split."""

    def __init__(self, features: FeatureSet, indices: NDArray[np.int64], options: RemixOptions) -> None:
        self._features, self._options = features, options
        self._rows = features.rows
        self._topics = {topic.name: topic for topic in topics()}
        known = [int(index) for index in indices if says_what_is_there(self._rows[int(index)])]
        self._known = frozenset(known)
        self._sounding = np.array(known, np.int64)
        self._titled = {label: [n for n in known if self._rows[n].labels.clickbait == label] for label in (0, 1)}
        self._grades = [int(self._rows[n].labels.relevance or 0) for n in known]
        self._asking: dict[str, list[int]] = defaultdict(list)
        for n in known:
            self._asking[str(self._rows[n].query_topic)].append(n)
        self._asked = [str(self._rows[n].query_topic) for n in known]
        self._about: dict[str, list[str]] = defaultdict(list)
        for name in self._asking:
            for thing in (*self._topics[name].seen, *self._topics[name].heard):
                self._about[thing].append(name)

    def draw(self, index: int, rng: np.random.Generator) -> Remixed:
        """The example that is made of a clip; the clip itself where it cannot take part."""
        row = self._rows[index]
        if index not in self._known:
            return Remixed(index, row.fields, self._features.targets_NK[index])
        sound = int(rng.choice(self._sounding)) if rng.random() < self._options.sound else index
        seen, heard = row.seen, self._rows[sound].heard
        title = self._title(seen, heard, rng) if rng.random() < self._options.title else index
        promised = self._topics[str(self._rows[title].title_topic)]
        query = self._query(seen, heard, promised, rng) if rng.random() < self._options.query else index
        wanted = self._topics[str(self._rows[query].query_topic)]
        broken = met_by(promised, seen, heard) == "none"
        restricted = _restricts(row, "vision") or _restricts(self._rows[sound], "audio")
        relevance = grade(wanted, seen, heard, promised)[0] / HIGHEST_GRADE
        fields = {"title": self._rows[title].title, "query": self._rows[query].query or ""}
        return Remixed(sound, fields, np.array([broken, restricted, relevance], np.float32))

    def _title(self, seen: Sequence[Span], heard: Sequence[Span], rng: np.random.Generator) -> int:
        """A clip whose title does to these sights and sounds what it did to its own: keep its promise or break it."""
        kept, broken = self._titled[0], self._titled[1]
        label = int(rng.random() < len(broken) / max(1, len(kept) + len(broken)))
        for _ in range(TRIES):
            other = self._titled[label][int(rng.integers(len(self._titled[label])))]
            is_broken = met_by(self._topics[str(self._rows[other].title_topic)], seen, heard) == "none"
            if is_broken == bool(label):
                return other
        return self._titled[1][int(rng.integers(len(broken)))]

    def _query(self, seen: Sequence[Span], heard: Sequence[Span], title: Topic, rng: np.random.Generator) -> int:
        """A clip whose query has a grade here that is drawn as often as it is given."""
        wanted = self._grades[int(rng.integers(len(self._grades)))]
        near = [name for span in (*seen, *heard) for name in self._about[span.thing]] if wanted >= 2 else self._asked
        for _ in range(TRIES):
            name = near[int(rng.integers(len(near)))] if near else self._asked[int(rng.integers(len(self._asked)))]
            if grade(self._topics[name], seen, heard, title)[0] == wanted:
                break
        return self._asking[name][int(rng.integers(len(self._asking[name])))]


def _restricts(row: Row, modality: str) -> bool:
    return any(span.modality == modality for span in row.spans)
