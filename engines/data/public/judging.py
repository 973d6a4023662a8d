"""The right labels of a clip, from what is there and what is said about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engines.data.public.layout import BRIEF_SECONDS
from engines.data.public.manifest import EvidenceSlice, Span
from engines.data.public.topics import (
    CASUAL,
    DIGITS,
    LOOKALIKES,
    LOUD,
    ORDER,
    RESTRICTED_DIGITS,
    RESTRICTED_HEARD,
    RESTRICTED_SEEN,
    WAKE_WORD,
    Topic,
    category_of,
)


def restricted_spans(seen: Iterable[Span], heard: Iterable[Span], digits: int) -> tuple[Span, ...]:
    """What makes a clip restricted."""
    spans = [span for span in seen if span.thing in RESTRICTED_SEEN]
    spans += [span for span in heard if span.thing in RESTRICTED_HEARD]
    if digits >= RESTRICTED_DIGITS:
        spans += [span for span in heard if span.thing == DIGITS]
    return tuple(spans)


def restricted_slice(spans: Sequence[Span]) -> EvidenceSlice:
    """By which sense, and whether only for a moment."""
    senses = {span.modality for span in spans}
    if len(senses) == 2:
        return "both"
    if senses == {"audio"}:
        return "speech" if {span.thing for span in spans} == {DIGITS} else "audio"
    if not senses:
        return "none"
    return "vision_brief" if _seconds(spans) < BRIEF_SECONDS + 0.1 else "vision"


def met_by(topic: Topic, seen: Iterable[Span], heard: Iterable[Span]) -> EvidenceSlice:
    """The sense by which a topic is met; none when it is not there."""
    in_sight = [span for span in seen if span.thing in topic.seen]
    in_ear = any(span.thing in topic.heard for span in heard)
    if in_sight and in_ear:
        return "both"
    if in_sight:
        return "vision_brief" if _seconds(in_sight) < BRIEF_SECONDS + 0.1 else "vision"
    return "speech" if in_ear and ORDER in topic.heard else "audio" if in_ear else "none"


def grade(topic: Topic, seen: Sequence[Span], heard: Sequence[Span], title: Topic) -> tuple[int, EvidenceSlice]:
    """Relevance 0..3 of a clip for a query about a topic, and what it rests on.

    3: all that could be met is; 2: one of two senses, or for a moment only; 1: something of its kind, or only the title
    is about it; 0: nothing.
    """
    how = met_by(topic, seen, heard)
    if how == "both" or (how in ("vision", "audio", "speech") and not topic.both):
        return 3, how
    if how != "none":
        return 2, how
    if title.name == topic.name:
        return 1, "text"
    categories = category_of()
    own = {categories[label] for label in (*topic.seen, *topic.heard)}
    alike = {span.modality for span in (*seen, *heard) if categories.get(span.thing) in own}
    if alike:
        return 1, "both" if len(alike) == 2 else "vision" if "vision" in alike else "audio"
    return 0, "none"


def hard_negative(seen: Iterable[Span], heard: Iterable[Span], title: Topic) -> str | None:
    """What makes a harmless clip like a restricted one, sounds of the same collections first. heard: but the bed."""
    sights, sounds = {span.thing for span in seen}, {span.thing for span in heard}
    kinds = (
        (CASUAL in sounds, "casual_sound"),
        (DIGITS in sounds, "few_digits"),
        (bool(sounds & {*LOUD}), "loud_sound"),
        (bool(sounds & {ORDER, WAKE_WORD}), "speech"),
        (bool(sights & {*LOOKALIKES}), "lookalike"),
        (title.restricted, "title"),
    )
    return next((name for is_so, name in kinds if is_so), None)


def _seconds(spans: Iterable[Span]) -> float:
    return sum(span.end_seconds - span.start_seconds for span in spans)
