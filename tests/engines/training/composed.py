"""Rows that say what is seen and heard in clips that were never there, and what their words are about."""

from __future__ import annotations

import numpy as np

from engines.data.public.judging import grade, met_by, restricted_slice, restricted_spans
from engines.data.public.manifest import Labels, Row, Span, Split
from engines.data.public.named import topics

SIGHTS = ("revolver", "panda", "electric_guitar", "dalmatian", "pizza")
SOUNDS = ("gunshot", "guitar", "dog_bark", "rain", None)
ASKED = ("gun", "panda", "guitar", "dog", "pizza", "rain")
TOPICS = {topic.name: topic for topic in topics()}


def composed_row(n: int, split: Split = "train") -> Row:
    """By its number, with the labels that composing gives."""
    rng = np.random.default_rng(n)
    thing, sound = SIGHTS[int(rng.integers(5))], SOUNDS[int(rng.integers(5))]
    seen = (Span("vision", thing, 0.0, 4.0),)
    heard = (Span("audio", sound, 0.5, 2.5),) if sound else ()
    title, query = (str(rng.choice(ASKED)) for _ in range(2))
    spans = restricted_spans(seen, heard, 0)
    return Row(
        clip_id=f"clip-{n}",
        file=f"clip-{n}.mp4",
        split=split,
        title=f"red {title}",
        query=f"blue {query}",
        evidence={"adult": restricted_slice(spans)},
        labels=Labels(
            clickbait=int(met_by(TOPICS[title], seen, heard) == "none"),
            adult=int(bool(spans)),
            relevance=grade(TOPICS[query], seen, heard, TOPICS[title])[0],
        ),
        spans=spans,
        seen=seen,
        heard=heard,
        title_topic=title,
        query_topic=query,
    )
