"""What is true of one clip of the world: drawn from a seed, written as one JSON line."""

from __future__ import annotations

from collections.abc import Iterable, Set
from pathlib import Path

import msgspec
import numpy as np

from engines.data.world.things import (
    HEARD,
    KNOCK,
    MASK,
    PLAIN_HEARD,
    PLAIN_SEEN,
    SEAL,
    SEEN,
    SIREN,
    Slice,
    adult_causes,
    slice_of,
)
from engines.data.world.words import Words, draw_words, text_fields

TRUTH_FILE = "truth.jsonl"

#: Width and height, both even as 4:2:0 needs.
SIZES = ((320, 180), (180, 320), (256, 256), (320, 240), (240, 320), (256, 144))
FRAME_RATES = (8, 10, 12, 15)

#: What the adult task hinges on, and how often: nothing, each cause alone, each half of the combination alone.
KINDS: dict[tuple[str, ...], float] = {
    (): 0.4,
    (SEAL,): 0.13,
    (SIREN,): 0.13,
    (MASK, KNOCK): 0.14,
    (MASK,): 0.1,
    (KNOCK,): 0.1,
}


class Span(msgspec.Struct, frozen=True):
    """A thing that is seen or heard from `start_seconds` to `end_seconds`."""

    thing: str
    start_seconds: float
    end_seconds: float


class Labels(msgspec.Struct, frozen=True):
    """1 or 0 per task; relevance is None when nothing was asked."""

    clickbait: int
    adult: int
    relevance: int | None


class Slices(msgspec.Struct, frozen=True):
    """The sense that decides each task's label."""

    clickbait: Slice
    adult: Slice
    relevance: Slice


class Evidence(msgspec.Struct, frozen=True):
    """The spans that each label rests on: what meets the promise or the query, what makes the clip adult."""

    clickbait: tuple[Span, ...]
    adult: tuple[Span, ...]
    relevance: tuple[Span, ...]


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """All about one clip. `seed` and `index` alone decide it; `file` is its name inside the world's folder."""

    seed: int
    index: int
    file: str
    width: int
    height: int
    frame_rate: int
    duration_seconds: float
    has_picture: bool
    has_sound: bool
    seen: tuple[Span, ...]
    heard: tuple[Span, ...]
    title: str
    description: str
    hashtags: tuple[str, ...]
    query: str | None
    labels: Labels
    slices: Slices
    evidence: Evidence

    @property
    def fields(self) -> dict[str, str]:
        """The text as the tokenizer reads it."""
        return text_fields(self.title, self.description, self.hashtags, self.query)


def draw_truth(seed: int, index: int) -> Truth:
    """The clip of that number in the world of that seed."""
    rng = np.random.default_rng([seed, index])
    kinds = list(KINDS)
    kind = kinds[int(rng.choice(len(kinds), p=list(KINDS.values())))]
    has_sound = bool(rng.random() >= 0.1 or set(kind) & set(HEARD))
    has_picture = bool(rng.random() >= 0.04 or set(kind) & set(SEEN) or not has_sound)
    duration = round(float(rng.uniform(3, 8)), 2)
    seen = _draw_seen_spans(rng, kind, duration) if has_picture else ()
    heard = _draw_heard_spans(rng, kind, duration) if has_sound else ()
    width, height = SIZES[int(rng.integers(len(SIZES)))]
    seen_set, heard_set = _things(seen), _things(heard)
    words = draw_words(rng, seen_set, heard_set)
    return Truth(
        seed=seed,
        index=index,
        file=f"{seed}-{index:05d}.mp4",
        width=width,
        height=height,
        frame_rate=int(rng.choice(FRAME_RATES)),
        duration_seconds=duration,
        has_picture=has_picture,
        has_sound=has_sound,
        seen=seen,
        heard=heard,
        title=words.title,
        description=words.description,
        hashtags=words.hashtags,
        query=words.query,
        labels=judge(seen_set, heard_set, words),
        slices=Slices(slice_of(words.promised), slice_of(adult_causes(seen_set, heard_set)), slice_of(words.wanted)),
        evidence=_evidence((*seen, *heard), words, adult_causes(seen_set, heard_set)),
    )


def judge(seen: Set[str], heard: Set[str], words: Words) -> Labels:
    """The right labels for these words over what is seen and heard."""
    there = seen | heard
    return Labels(
        clickbait=int(not words.promised <= there),
        adult=int(bool(adult_causes(seen, heard))),
        relevance=int(words.wanted <= there) if words.query is not None else None,
    )


def draw_truths(clips: int, seed: int) -> list[Truth]:
    """The first `clips` clips of a world."""
    return [draw_truth(seed, index) for index in range(clips)]


def read_truths(folder: Path) -> list[Truth]:
    """The truth of a rendered world. Raises `ValueError` naming the line that is not one."""
    truths = []
    with (folder / TRUTH_FILE).open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                truths.append(msgspec.json.decode(line, type=Truth))
            except msgspec.MsgspecError as error:
                raise ValueError(f"{folder / TRUTH_FILE}, line {number}: {error}") from error
    return truths


def _draw_seen_spans(rng: np.random.Generator, kind: tuple[str, ...], duration: float) -> tuple[Span, ...]:
    special = [thing for thing in kind if thing in SEEN]
    plain = rng.choice(PLAIN_SEEN, size=int(rng.integers(1, 3)) - len(special), replace=False)
    return tuple(_draw_span(rng, thing, duration, shortest=2.0, whole=0.35) for thing in [*special, *map(str, plain)])


def _draw_heard_spans(rng: np.random.Generator, kind: tuple[str, ...], duration: float) -> tuple[Span, ...]:
    special = [thing for thing in kind if thing in HEARD]
    count = int(rng.choice(3, p=[0.15, 0.5, 0.35]))
    plain = rng.choice(PLAIN_HEARD, size=max(0, count - len(special)), replace=False)
    return tuple(_draw_span(rng, thing, duration, shortest=0.7, whole=0.1) for thing in [*special, *map(str, plain)])


def _draw_span(rng: np.random.Generator, thing: str, duration: float, *, shortest: float, whole: float) -> Span:
    if rng.random() < whole:
        return Span(thing, 0.0, duration)
    length = rng.uniform(shortest, max(shortest, 0.6 * duration))
    start = rng.uniform(0, duration - length)
    return Span(thing, round(float(start), 2), round(float(start + length), 2))


def _things(spans: Iterable[Span]) -> frozenset[str]:
    return frozenset(span.thing for span in spans)


def _evidence(spans: tuple[Span, ...], words: Words, causes: Set[str]) -> Evidence:
    def of(things: Set[str]) -> tuple[Span, ...]:
        return tuple(span for span in spans if span.thing in things)

    return Evidence(clickbait=of(words.promised), adult=of(causes), relevance=of(words.wanted))
