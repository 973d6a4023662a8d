"""Events off the wire: both modes, framing, every field, and every way to be wrong."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from streamer.records import Event, Rejected, Task
from streamer.wire import EventData, event_message, parse_event
from tests.wire.samples import ATTRIBUTES, DATA, EVENT, TRACEPARENT, arrived, binary, message, structured


def rejected(found: Event | Rejected) -> str:
    assert isinstance(found, Rejected), f"accepted: {found}"
    assert found.reason == "malformed_event"
    return found.error


def accepted(found: Event | Rejected) -> Event:
    assert isinstance(found, Event), f"rejected: {found.error}"
    return found


def test_an_event_survives_the_way_over_the_wire() -> None:
    outgoing = event_message(EVENT, "uploads")
    assert outgoing.topic == "uploads"
    assert outgoing.key == b"v-1"
    assert parse_event(arrived(outgoing)) == EVENT


def test_every_field_of_an_event_is_on_the_wire() -> None:
    attributes = {"event_id", "source", "traceparent"}
    assert set(Event.__struct_fields__) == attributes | set(EventData.__struct_fields__)
    assert all(getattr(EVENT, name) for name in Event.__struct_fields__), "the sample leaves a field at its default"


def test_the_least_event_gets_the_defaults() -> None:
    assert parse_event(binary()) == Event(event_id="e-1", source="/uploads", **DATA)


@pytest.mark.parametrize(
    ("changes", "tasks"),
    [
        ({}, (Task.CLICKBAIT, Task.ADULT)),
        ({"query": "cats"}, (Task.CLICKBAIT, Task.ADULT, Task.RELEVANCE)),
        ({"query": "  "}, (Task.CLICKBAIT, Task.ADULT)),
        ({"query": "cats", "tasks": ["adult"]}, (Task.ADULT,)),
        ({"query": "cats", "tasks": ["relevance", "adult", "relevance"]}, (Task.ADULT, Task.RELEVANCE)),
    ],
)
def test_tasks_follow_from_the_query_unless_named(changes: dict[str, Any], tasks: tuple[Task, ...]) -> None:
    assert accepted(parse_event(binary(**changes))).tasks == tasks


@pytest.mark.parametrize("query", [None, "", " \t"])
def test_relevance_without_a_query_is_malformed(query: str | None) -> None:
    assert rejected(parse_event(binary(tasks=["relevance"], query=query))).startswith("$.query: missing")


def test_structured_mode_says_the_same_as_binary_mode() -> None:
    assert parse_event(structured(traceparent=TRACEPARENT)) == replace_trace(parse_event(binary()))


def replace_trace(event: Event | Rejected) -> Event:
    return msgspec.structs.replace(accepted(event), traceparent=TRACEPARENT)


def test_structured_data_may_be_base64() -> None:
    encoded = base64.b64encode(json.dumps(DATA).encode()).decode()
    assert accepted(parse_event(structured(data=..., data_base64=encoded))).video_id == "v-1"


@pytest.mark.parametrize("mode", [binary, structured])
def test_schema_registry_framing_is_tolerated(mode: Any) -> None:
    plain = mode()
    assert parse_event(replace(plain, value=b"\x00\x00\x00\x01\x02" + plain.value)) == parse_event(plain)


def test_unknown_fields_attributes_and_headers_are_tolerated() -> None:
    assert accepted(parse_event(binary(future={"deep": [1, {"er": None}]}))).video_id == "v-1"
    assert accepted(parse_event(structured(futureattribute="x"))).video_id == "v-1"
    assert accepted(parse_event(message(json.dumps(DATA).encode(), {**ATTRIBUTES, "x-other": "1"}))).video_id == "v-1"


def test_a_missing_type_and_version_are_tolerated() -> None:
    assert accepted(parse_event(message(json.dumps(DATA).encode(), {"ce_id": "1", "ce_source": "/s"}))).event_id == "1"


@pytest.mark.parametrize("field", ["video_id", "uri"])
def test_a_missing_field_is_named_with_its_path(field: str) -> None:
    assert rejected(parse_event(binary(**{field: ...}))).startswith(f"$.{field}: missing")
    data = {name: value for name, value in DATA.items() if name != field}
    assert rejected(parse_event(structured(data=data))).startswith(f"$.data.{field}: missing")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("video_id", 7),
        ("video_id", ""),
        ("video_id", "v" * 257),
        ("video_id", "a\nb"),
        ("video_id", "ab\n"),
        ("video_id", "a\u0000"),
        ("video_id", "a\u0085"),
        ("uri", "no-scheme.mp4"),
        ("uri", "https://x/\r\nHost: y"),
        ("uri", "https://x/" + "y" * 8_192),
        ("uri", None),
        ("title", 1),
        ("title", None),
        ("title", "t" * 10_001),
        ("description", ["x"]),
        ("hashtags", "cats"),
        ("hashtags", [1]),
        ("hashtags", ["x"] * 257),
        ("hashtags", ["x" * 257]),
        ("query", 3),
        ("query", "q" * 1_001),
        ("tasks", []),
        ("tasks", ["violence"]),
        ("tasks", "adult"),
        ("tasks", ["adult"] * 17),
        ("tenant", ""),
        ("tenant", {}),
        ("locale", "x" * 65),
        ("uploader", "a\u0007b"),
        ("uploaded_at", "yesterday"),
        ("uploaded_at", "2026-05-04"),
        ("uploaded_at", 1_777_777_777),
        ("sha256", "abc"),
        ("sha256", "g" * 64),
        ("size_bytes", -1),
        ("size_bytes", "12"),
        ("size_bytes", 1.5),
        ("size_bytes", 2**63),
        ("size_bytes", 10**400),
        ("size_bytes", True),
        ("deadline_seconds", 0),
        ("deadline_seconds", -1.0),
        ("deadline_seconds", "9"),
        ("deadline_seconds", 1e300),
    ],
)
def test_a_bad_field_is_named_with_its_path(field: str, value: Any) -> None:
    assert rejected(parse_event(binary(**{field: value}))).startswith(f"$.{field}")


def test_a_sha256_is_read_in_either_case() -> None:
    assert accepted(parse_event(binary(sha256="AB" * 32))).sha256 == "ab" * 32


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (None, "value: came null"),
        (b"", "value: came 0 bytes"),
        (b"\x00", "$: "),
        (b"\x00\x00\x00\x00\x01", "$: "),
        (b"{", "$: "),
        (b"not json", "$: JSON is malformed"),
        (b"[]", "$: Expected `object`"),
        (b"null", "$: Expected `object`"),
        (b'{"video_id": NaN}', "$: JSON is malformed"),
        (b'{"deadline_seconds": Infinity}', "$: JSON is malformed"),
        (b'{"deadline_seconds": 1e999999}', "$.deadline_seconds: "),
        (b'{"video_id": "\xff\xfe"}', "$"),
        (b'{"video_id": "\\ud800"}', "$"),
        (b"\xef\xbb\xbf{}", "$: JSON is malformed"),
        (b"\x1f\x8b\x08\x00", "$: JSON is malformed"),
        (b'{"x":' * 100_000, "$: nested too deeply"),
        (b"[" * 500_000, "$: "),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "$: nested too deeply"),
        (b'{"video_id": "' + b"v" * 524_288 + b'"}', "value: came 524304 bytes, expected at most 524288"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes | str) else "null",
)
def test_garbage_is_rejected_with_the_place(value: bytes | None, where: str) -> None:
    assert rejected(parse_event(message(value))).startswith(where)


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        (
            {"ce_type": "media.video.deleted.v1"},
            "type: came 'media.video.deleted.v1', expected 'media.video.uploaded.v1'",
        ),
        ({"ce_specversion": "0.3"}, "header ce_specversion: came '0.3', expected 1.0"),
        ({"ce_id": ""}, "header ce_id: came '' of 0 characters"),
        ({"ce_id": "a\nb"}, "header ce_id: came 'a\\nb'"),
        ({"ce_source": "s" * 1_025}, "header ce_source: came 's"),
        (
            {"content-type": "application/avro"},
            "header content-type: came 'application/avro', expected application/json",
        ),
        ({"content-type": "application/cloudevents-batch+json"}, "header content-type: came"),
        ({"content-type": "application/cloudevents+avro"}, "header content-type: came"),
    ],
)
def test_bad_attributes_are_rejected_by_name(headers: dict[str, str], error: str) -> None:
    found = rejected(parse_event(message(json.dumps(DATA).encode(), {**ATTRIBUTES, **headers})))
    assert found.startswith(error)
    assert len(found) < 400


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"id": ...}, "$.id: missing"),
        ({"id": 5}, "$.id: Expected `str`"),
        ({"id": ""}, "$.id: came ''"),
        ({"source": ...}, "$.source: missing"),
        ({"specversion": "2.0"}, "$.specversion: came '2.0'"),
        ({"type": "other"}, "type: came 'other'"),
        ({"data": ...}, "$.data: missing"),
        ({"data": "text"}, "$.data: Expected `object`"),
        ({"data_base64": "§"}, "$.data_base64: "),
        ({"datacontenttype": "text/xml"}, "$.datacontenttype: came 'text/xml'"),
    ],
)
def test_bad_structured_events_are_rejected_by_path(changes: dict[str, Any], where: str) -> None:
    assert rejected(parse_event(structured(**changes))).startswith(where)


def test_headers_that_contradict_each_other_are_rejected_and_repeated_ones_are_not() -> None:
    plain = binary()
    again = replace(plain, headers=(*plain.headers, ("ce_id", b"e-1")))
    assert parse_event(again) == parse_event(plain)
    other = replace(plain, headers=(*plain.headers, ("ce_id", b"e-2")))
    assert rejected(parse_event(other)).startswith("header ce_id: came 2 times")


def test_headers_that_are_too_large_are_rejected() -> None:
    plain = binary()
    large = replace(plain, headers=(*plain.headers, ("x", b"h" * 70_000)))
    assert rejected(parse_event(large)).startswith("headers: came 70")


def test_headers_that_are_not_utf8_are_rejected() -> None:
    plain = binary()
    headers = tuple((name, b"\xff" if name == "ce_source" else value) for name, value in plain.headers)
    assert rejected(parse_event(replace(plain, headers=headers))).startswith("header ce_source: came bytes")


@pytest.mark.parametrize("missing", ["ce_id", "ce_source"])
def test_an_event_without_identity_is_rejected(missing: str) -> None:
    headers = {name: text for name, text in ATTRIBUTES.items() if name != missing}
    error = rejected(parse_event(message(json.dumps(DATA).encode(), headers)))
    assert error == f"header {missing}: missing, and it is required"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "ff-" + TRACEPARENT[3:],
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        TRACEPARENT.upper().replace("00-", "00-A", 1),
        TRACEPARENT + "-extra",
        TRACEPARENT + "\n",
        TRACEPARENT * 1_000,
    ],
)
def test_a_bad_traceparent_is_ignored(text: str) -> None:
    found = parse_event(message(json.dumps(DATA).encode(), {**ATTRIBUTES, "traceparent": text}))
    assert accepted(found).traceparent is None


@pytest.mark.parametrize("text", [TRACEPARENT, "01" + TRACEPARENT[2:] + "-future"])
@pytest.mark.parametrize("name", ["traceparent", "ce_traceparent"])
def test_a_good_traceparent_is_carried(name: str, text: str) -> None:
    found = parse_event(message(json.dumps(DATA).encode(), {**ATTRIBUTES, name: text}))
    assert accepted(found).traceparent == text


def test_errors_do_not_repeat_what_may_be_secret() -> None:
    error = rejected(parse_event(binary(uri="not a uri?token=canary", title=7)))
    assert "canary" not in error
