"""Whatever bytes come, the answer is an event or a rejection, and both can travel on."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.records import Event, Message, Position, Rejected
from streamer.wire import (
    EventData,
    dead_letter,
    event_message,
    letter_position,
    parse_event,
    parse_verdict,
    replay_message,
)
from tests.examples import examples
from tests.wire.samples import ATTRIBUTES, DATA, VERDICT, arrived

NAMES = st.sampled_from(
    [*ATTRIBUTES, "content-type", "traceparent", "retry.attempt", "source.topic", "source.offset", "dlq.topic", "x"]
)
HEADERS = st.lists(st.tuples(NAMES, st.binary(max_size=40)), max_size=8).map(tuple)
GOOD_HEADERS = tuple((name, text.encode()) for name, text in ATTRIBUTES.items())
STRUCTURED_HEADERS = (("content-type", b"application/cloudevents+json"),)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
FIELDS = st.sampled_from([*EventData.__struct_fields__, *Event.__struct_fields__, "data", "id", "source", "type", "x"])


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


def near_events(changes: dict[str, Any]) -> bytes:
    return dumped({**DATA, **changes})


def near_structured(changes: dict[str, Any]) -> bytes:
    return dumped({"specversion": "1.0", "id": "1", "source": "/s", "data": {**DATA, **changes}, **changes})


def mutated(edits: list[tuple[int, int]]) -> bytes:
    value = bytearray(dumped({**DATA, "title": "ünï", "hashtags": ["a"], "query": "q", "size_bytes": 1}))
    for place, byte in edits:
        value[place % len(value)] = byte
    return bytes(value)


CHANGES = st.dictionaries(FIELDS, JSON, max_size=5)
EDITS = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), min_size=1, max_size=4)
VALUES = st.one_of(
    st.none(),
    st.binary(max_size=200),
    JSON.map(dumped),
    CHANGES.map(near_events),
    CHANGES.map(near_structured),
    EDITS.map(mutated),
)
ALL_HEADERS = st.one_of(
    st.just(GOOD_HEADERS), st.just(STRUCTURED_HEADERS), HEADERS, HEADERS.map(lambda some: some + GOOD_HEADERS)
)


@pytest.mark.slow
@settings(max_examples=examples(1_000), suppress_health_check=[HealthCheck.too_slow])
@given(VALUES, ALL_HEADERS, st.none() | st.binary(max_size=20))
def test_anything_is_an_event_or_a_rejection(value: bytes | None, headers: Any, key: bytes | None) -> None:
    message = Message(Position("in", 0, 1), key, value, headers, 0)
    found = parse_event(message)
    if isinstance(found, Event):
        assert parse_event(arrived(event_message(found, "again"))) == found
        return
    assert isinstance(found, Rejected)
    assert found.message is message
    assert found.error.isprintable() or "\n" in found.error
    letter = arrived(dead_letter(message, found.reason, found.error, attempt=found.attempt, topic="dlq", version="1"))
    assert letter_position(letter) is not None
    assert replay_message(letter).value == value


@settings(max_examples=examples(300))
@given(st.dictionaries(st.sampled_from(type(VERDICT).__struct_fields__), JSON, max_size=4))
def test_any_near_verdict_is_a_verdict_or_none(changes: dict[str, Any]) -> None:
    value = dumped({**msgspec.to_builtins(VERDICT), **changes})
    parse_verdict(Message(Position("out", 0, 1), None, value, GOOD_HEADERS, 0))
