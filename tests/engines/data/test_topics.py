"""Words name a topic only where the title is about it."""

from __future__ import annotations

import pytest

from engines.data.public.named import named, topics, topics_named
from engines.data.public.topics import CATEGORIES, LOOKALIKES, LOUD, RESTRICTED_HEARD, RESTRICTED_SEEN, category_of


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Gunman holds hostage in U.S. television station offices", "gun"),
        ("Small explosion investigated in Times Square", "explosion"),
        ("17 Just Great Looking Dogs", "dog"),
        ("PANDA cub born in Taiwan", "panda"),
        ("Helicopter crash in Turkey kills six", "helicopter"),
        ("Heavy rain causes flooding across the UK", "rain"),
        ("28 Foolproof Ways To Eat Pizza Every Damn Day", "pizza"),
        ("Ruby Rose Had A Blast At The Party", None),
        ("Browns vs. Lions: Highlights", None),
        ("The Best Top Gun Quotes", None),
        ("How To Make A Bath Bomb", None),
        ("Nick Cannon Talks", None),
        ("5 Ghosts Caught On Camera", None),
        ("Hot Dogs For Everyone", None),
        ("Israel and Hamas agree on a ceasefire", None),
        ("Miami Dolphins sign a quarterback", None),
        ("How They Made Kung Fu Panda", None),
        ("The gun-free zone", None),
        ("Carpenters at work", None),
    ],
)
def test_titles(title: str, expected: str | None) -> None:
    assert [topic.name for topic in topics_named(title)] == ([expected] if expected else [])


def test_a_title_may_name_two_topics() -> None:
    assert {topic.name for topic in topics_named("A dog eats a pizza")} == {"dog", "pizza"}


def test_every_class_has_a_category_and_a_query() -> None:
    categories = category_of()
    assert sum(len(labels) for labels in CATEGORIES.values()) == len(categories), "a class is in two categories"
    for topic in topics():
        assert topic.seen or topic.heard
        assert {*topic.seen, *topic.heard} <= categories.keys()
        assert topic.queries
    assert {*RESTRICTED_SEEN, *RESTRICTED_HEARD, *LOOKALIKES, *LOUD} <= categories.keys()


def test_names_are_unique() -> None:
    names = [topic.name for topic in topics()]
    assert len(names) == len(set(names))
    assert len(named()) < len(names)
