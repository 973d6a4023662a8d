"""What a clip is to be about, before any asset is chosen: its restricted part, its title's promise, what is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engines.data.public.manifest import EvidenceSlice
from engines.data.public.named import named, topics
from engines.data.public.stock import Stock
from engines.data.public.topics import (
    BEDS,
    CASUAL,
    DIGITS,
    LOOKALIKES,
    LOUD,
    ORDER,
    RESTRICTED_HEARD,
    RESTRICTED_SEEN,
    WAKE_WORD,
    Topic,
    category_of,
)

Promise = Literal["vision", "audio", "both", "none"]

#: Of 2,000 clips, how many are restricted by what; thin slices of an earlier composition (29 and 25) are raised.
RESTRICTED_OF_2000: dict[EvidenceSlice, int] = {"vision": 66, "vision_brief": 64, "audio": 80, "speech": 64, "both": 18}
#: How often a clip's title names what makes it restricted, or a harmless clip's title something that would.
NAMES_RESTRICTED, NAMES_ABSENT_RESTRICTED = 0.3, 0.06
#: How often a promise is broken, by the style of nothing: the title's topic is drawn first, its style afterwards.
BROKEN = 0.32
#: How a promise is kept that could be seen and could be heard.
KEPT_WAYS: dict[Promise, float] = {"vision": 0.35, "audio": 0.4, "both": 0.25}
#: Topics that are only heard are this much more frequent than those that are only seen, those that are both even more.
HEARD_WEIGHT, BOTH_WEIGHT = 1.3, 2.0
WITHOUT_AUDIO = 0.055
REAL_BED = 0.4
HAS_EVENT, HARD_SOUND, HARD_PHOTO, SAME_TOPIC_HEARD = 0.8, 0.4, 0.15, 0.35
HARD_SOUNDS: tuple[tuple[str, ...], ...] = ((CASUAL,), LOUD, (DIGITS,), (ORDER, WAKE_WORD))


@dataclass(frozen=True)
class Content:
    """Classes in a clip. restricted: the slice, or none. main: what is seen most. extra: photos of another class."""

    restricted: EvidenceSlice
    promise: Promise
    topic: Topic
    main: str
    extra: str | None
    cause_seen: str | None
    cause_heard: str | None
    events: tuple[str, ...]
    bed: str | None
    has_audio: bool

    @property
    def seen(self) -> frozenset[str]:
        return frozenset(label for label in (self.main, self.extra, self.cause_seen) if label)

    @property
    def heard(self) -> frozenset[str]:
        return frozenset(label for label in (*self.events, self.cause_heard, self.bed) if label)


class ContentDrawer:
    """Draws contents that one split's stock can fill."""

    def __init__(self, stock: Stock, rng: np.random.Generator) -> None:
        self._stock, self._rng = stock, rng
        categories = category_of()
        self._seen = stock.seen(label for label in categories if label not in RESTRICTED_SEEN)
        self._heard = stock.heard(label for label in categories if label not in (*RESTRICTED_HEARD, DIGITS, CASUAL))
        self._cause_seen, self._cause_heard = stock.seen(RESTRICTED_SEEN), stock.heard(RESTRICTED_HEARD)
        self._titled = tuple(topic for topic in named() if stock.title_count(topic) and self._can_be_met(topic))
        counts = np.array([stock.title_count(topic) for topic in self._titled])
        self._title_weights = np.minimum(counts**0.5, counts / 2)
        self._weight_seen = _topic_weights(self._seen)
        self._weight_heard = _topic_weights(self._heard)

    def kinds(self, clips: int) -> list[EvidenceSlice]:
        """The slice of each clip by what makes it restricted: exact shares, in random order."""
        quota = dict(RESTRICTED_OF_2000)
        if not self._cause_heard:
            quota.pop("audio")
        kinds: list[EvidenceSlice] = []
        for kind, of_2000 in quota.items():
            kinds += [kind] * round(of_2000 * clips / 2000)
        kinds += ["none"] * (clips - len(kinds))
        return [kinds[index] for index in self._rng.permutation(len(kinds))]

    def draw(self, kind: EvidenceSlice) -> Content:
        """One content. Promises are drawn anew until the clip can keep or break them."""
        rng = self._rng
        seen = self._pick(self._cause_seen) if kind in ("vision", "vision_brief", "both") else None
        heard: str | None = None
        if kind in ("audio", "both") and self._cause_heard:
            heard = self._pick(self._cause_heard)
        elif kind in ("speech", "both"):
            heard = DIGITS
        has_audio = heard is not None or bool(rng.random() >= WITHOUT_AUDIO)
        while True:
            topic, promise = self._draw_promise(seen, heard)
            content = self._fill(kind, topic, promise, seen, heard, has_audio)
            if content is not None:
                return content

    def _draw_promise(self, seen: str | None, heard: str | None) -> tuple[Topic, Promise]:
        rng = self._rng
        causes = {seen, heard} - {None}
        about = [topic for topic in self._titled if topic.restricted and causes & {*topic.seen, *topic.heard}]
        if about and rng.random() < NAMES_RESTRICTED:
            topic = self._draw_titled(np.array([topic in about for topic in self._titled]))
            return topic, _promise_met(seen in topic.seen, heard in topic.heard)
        restricted = not causes and rng.random() < NAMES_ABSENT_RESTRICTED
        topic = self._draw_titled(np.array([topic.restricted == restricted for topic in self._titled]))
        if restricted or rng.random() < BROKEN:
            return topic, "none"
        ways: list[Promise] = ["vision", "audio", "both"] if topic.both else ["vision"] if topic.seen else ["audio"]
        odds = np.array([KEPT_WAYS[way] for way in ways])
        return topic, ways[int(rng.choice(len(ways), p=odds / odds.sum()))]

    def _draw_titled(self, among: NDArray[np.bool_]) -> Topic:
        weights = self._title_weights * among
        weights = weights if weights.any() else self._title_weights
        return self._titled[int(self._rng.choice(len(self._titled), p=weights / weights.sum()))]

    def _fill(
        self, kind: EvidenceSlice, topic: Topic, promise: Promise, seen: str | None, heard: str | None, has_audio: bool
    ) -> Content | None:
        """Choose classes round a promise; None when this clip can't have it."""
        met_by_cause = seen in topic.seen or heard in topic.heard
        if promise == "none" and met_by_cause:
            return None
        wants_sound = promise in ("audio", "both") and heard not in topic.heard
        if wants_sound and (not has_audio or heard == DIGITS):
            return None  # a number read out fills the clip
        allowed = tuple(label for label in self._seen if label not in topic.seen)
        if promise in ("vision", "both") and seen not in topic.seen:
            main = self._pick(self._stock.seen(topic.seen))
        else:
            main = seen if kind == "vision" and seen else self._draw_seen(allowed)
        extra = self._draw_seen(allowed) if self._rng.random() < 0.3 else None
        events = (self._pick(self._stock.heard(topic.heard)),) if wants_sound else ()
        content = Content(kind, promise, topic, main, extra, seen, heard, events, None, has_audio)
        return self._with_sounds(content) if has_audio else content

    def _with_sounds(self, content: Content) -> Content:
        rng = self._rng
        barred = {*content.topic.heard, *content.events}
        if not content.events and content.cause_heard is None and rng.random() < HAS_EVENT:
            event = self._draw_event(content.main, barred)
            content = replace(content, events=(event,) if event else ())
        beds = self._stock.heard(label for label in BEDS if label not in {*barred, *content.events})
        return replace(content, bed=self._pick(beds) if beds and rng.random() < REAL_BED else None)

    def _draw_event(self, main: str, barred: set[str]) -> str | None:
        rng = self._rng
        same = [label for topic in topics() if main in topic.seen for label in self._stock.heard(topic.heard)]
        same = [label for label in same if label in self._heard and label not in barred]
        if same and rng.random() < SAME_TOPIC_HEARD:
            return self._pick(same)
        if rng.random() < HARD_SOUND:
            hard = self._stock.heard(HARD_SOUNDS[int(rng.integers(len(HARD_SOUNDS)))])
            hard = tuple(label for label in hard if label not in barred)
            if hard:
                return self._pick(hard)
        weights = self._weight_heard * [label not in barred for label in self._heard]
        return self._heard[int(rng.choice(len(self._heard), p=weights / weights.sum()))] if weights.any() else None

    def _draw_seen(self, allowed: Sequence[str]) -> str:
        rng = self._rng
        alike = [label for label in LOOKALIKES if label in allowed]
        if alike and rng.random() < HARD_PHOTO:
            return self._pick(alike)
        weights = self._weight_seen * [label in allowed for label in self._seen]
        return self._seen[int(rng.choice(len(self._seen), p=weights / weights.sum()))]

    def _can_be_met(self, topic: Topic) -> bool:
        return bool(self._stock.seen(topic.seen) or self._stock.heard(topic.heard))

    def _pick(self, labels: Sequence[str]) -> str:
        return labels[int(self._rng.integers(len(labels)))]


def topic_weight(topic: Topic) -> float:
    """How often a topic comes up beside one that is only seen."""
    return BOTH_WEIGHT if topic.both else HEARD_WEIGHT if topic.heard else 1.0


def _topic_weights(labels: Sequence[str]) -> NDArray[np.float64]:
    best = dict.fromkeys(labels, 1.0)
    for topic in topics():
        for label in (*topic.seen, *topic.heard):
            if label in best and topic.name != "music":
                best[label] = max(best[label], topic_weight(topic))
    return np.array([best[label] for label in labels])


def _promise_met(seen: bool, heard: bool) -> Promise:
    return "both" if seen and heard else "vision" if seen else "audio" if heard else "none"
