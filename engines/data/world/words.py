"""What is written about a clip: a title that promises, words around it, and a query that asks."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np

from engines.data.world.things import COLOURS, HEARD, PLAIN_SEEN, SEEN, SHAPES

TITLES = (
    "{}", "a {}", "watch this {}", "my {} video", "the best {} ever", "{} caught on camera", "look and listen {}",
    "you will not believe this {}", "{} compilation", "how to make a {}",
)  # fmt: skip
NEUTRAL_TITLES = ("", "holiday video", "my day", "watch this", "you will not believe this", "new upload", "sunday")
QUERIES = ("{}", "a {}", "video of {}", "show me a {}", "find {}", "where is the {}")
DESCRIPTIONS = (
    "", "filmed on sunday", "please like and subscribe", "made with my phone", "thanks for watching", "part one",
)  # fmt: skip
ASIDES = ("not the {}", "last week a {}", "next time a {}")
HASHTAGS = ("fun", "daily", "new", "viral", "art", "music")

#: How often the title promises, or the query asks for, something seen, heard, or one of each.
SENSE_ODDS = {"vision": 0.42, "audio": 0.4, "both": 0.18}


@dataclass(frozen=True, slots=True)
class Words:
    """The text of an upload. `promised` and `wanted` are the things that title and query name."""

    title: str
    description: str
    hashtags: tuple[str, ...]
    query: str | None
    promised: frozenset[str]
    wanted: frozenset[str]

    @property
    def fields(self) -> dict[str, str]:
        """The text as the tokenizer reads it."""
        return text_fields(self.title, self.description, self.hashtags, self.query)


def text_fields(title: str, description: str, hashtags: Sequence[str], query: str | None) -> dict[str, str]:
    """One string for each of `spec.SEGMENTS`."""
    return {"title": title, "description": description, "hashtags": " ".join(hashtags), "query": query or ""}


def vocabulary() -> list[str]:
    """Every word that the world can write, once each, in a fixed order."""
    templates = (*TITLES, *NEUTRAL_TITLES, *QUERIES, *DESCRIPTIONS, *ASIDES, *HASHTAGS)
    words = " ".join([*COLOURS, *SHAPES, *SEEN, *HEARD, "and", "with", *templates]).replace("{}", " ").split()
    return list(dict.fromkeys(words))


def draw_words(rng: np.random.Generator, seen: Set[str], heard: Set[str]) -> Words:
    """Text for a clip in which these things are seen and heard: half of the promises and queries are met."""
    promised = frozenset() if rng.random() < 0.1 else _draw_things(rng, seen, heard)
    title = _choose(rng, TITLES).format(_phrase(rng, promised)) if promised else _choose(rng, NEUTRAL_TITLES)
    asked = rng.random() < 0.75
    wanted = _draw_things(rng, seen, heard) if asked else frozenset()
    description = _choose(rng, DESCRIPTIONS)
    if rng.random() < 0.25:
        aside = _choose(rng, ASIDES).format(_choose(rng, (*SEEN, *HEARD)))
        description = f"{description} {aside}".strip()
    tags = [_choose(rng, HASHTAGS) for _ in range(rng.integers(0, 3))]
    if rng.random() < 0.15:
        tags.append(_choose(rng, (*SHAPES, *HEARD)))
    return Words(
        title=title,
        description=description,
        hashtags=tuple(dict.fromkeys(tags)),
        query=_choose(rng, QUERIES).format(_phrase(rng, wanted)) if asked else None,
        promised=promised,
        wanted=wanted,
    )


def _draw_things(rng: np.random.Generator, seen: Set[str], heard: Set[str]) -> frozenset[str]:
    """One thing, or one of each sense; all of it there in half of the draws."""
    sense = str(rng.choice(list(SENSE_ODDS), p=list(SENSE_ODDS.values())))
    met = rng.random() < 0.5
    lie = rng.integers(0, 3) if sense == "both" else 2  # a broken double promise breaks its first, second or both
    things = set()
    if sense in ("vision", "both"):
        things.add(_draw_seen(rng, seen, there=met or lie == 1))
    if sense in ("audio", "both"):
        things.add(_draw_heard(rng, heard, there=met or lie == 0))
    return frozenset(things)


def _draw_seen(rng: np.random.Generator, seen: Set[str], *, there: bool) -> str:
    if there and seen:
        return _choose(rng, sorted(seen))
    near = [thing for thing in PLAIN_SEEN if thing not in seen and _shares_a_word(thing, seen)]
    far = [thing for thing in SEEN if thing not in seen]
    return _choose(rng, near if near and rng.random() < 0.5 else far)


def _draw_heard(rng: np.random.Generator, heard: Set[str], *, there: bool) -> str:
    if there and heard:
        return _choose(rng, sorted(heard))
    return _choose(rng, [thing for thing in HEARD if thing not in heard])


def _shares_a_word(thing: str, others: Set[str]) -> bool:
    return any(set(thing.split()) & set(other.split()) for other in others)


def _phrase(rng: np.random.Generator, things: Set[str]) -> str:
    ordered = sorted(things)
    if rng.random() < 0.5:
        ordered.reverse()
    return _choose(rng, (" and a ", " with ", " with a ")).join(ordered)


def _choose(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]
