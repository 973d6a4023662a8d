"""The topics that titles and queries can name, read from `topics.toml`."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

import msgspec

from engines.data.public.manifest import Row
from engines.data.public.topics import CATEGORIES, INSTRUMENTS_HEARD, ONLY_HEARD, WITHOUT_TOPIC, Topic

TOPICS_FILE = Path(__file__).with_name("topics.toml")


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    seen: tuple[str, ...] = ()
    heard: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()


@cache
def named() -> tuple[Topic, ...]:
    """The topics that titles name."""
    entries = msgspec.convert(tomllib.loads(TOPICS_FILE.read_text(encoding="utf-8")), dict[str, _Entry])
    return tuple(
        Topic(name, one.seen, one.heard, "|".join(one.words), "|".join(one.unless), one.queries)
        for name, one in entries.items()
    )


@cache
def topics() -> tuple[Topic, ...]:
    """The named topics, and one of its own for each class that has none, which queries can ask for."""
    have = {label for topic in named() if topic.name != "music" for label in (*topic.seen, *topic.heard)}
    own = {label for labels in CATEGORIES.values() for label in labels} - have - set(WITHOUT_TOPIC)
    return (*named(), *(_own_topic(label) for label in sorted(own)))


def says_what_is_there(row: Row) -> bool:
    """Whether labels of what is made of this clip follow from its row: what is seen, and what its words are about."""
    names = {topic.name for topic in topics()}
    return row.title_topic in names and row.query_topic in names and bool(row.seen)


def topics_named(title: str) -> tuple[Topic, ...]:
    """The topics a title names."""
    if not _any_word().search(title):  # most titles name none, and sixty patterns take their time
        return ()
    return tuple(topic for topic in named() if topic.named_in(title))


def _own_topic(label: str) -> Topic:
    seen = (label,) if label not in ONLY_HEARD else ()
    heard = (label,) if label in INSTRUMENTS_HEARD else ()
    return Topic(label.replace("_", " ").lower(), seen, heard)


@cache
def _any_word() -> re.Pattern[str]:
    return re.compile("|".join(topic.words for topic in named()), re.IGNORECASE)
