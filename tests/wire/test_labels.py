"""Requests and labels on the wire: what is written is read, what is none is none, and ids say what is the same."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from streamer.records import HIGHEST_VALUE, TASKS, Label, Task
from streamer.wire import (
    label_id,
    label_message,
    parse_label,
    parse_request,
    parse_verdict,
    request_id,
    request_message,
    verdict_message,
)
from streamer.wire.schemas import json_schema
from tests.wire.samples import LABEL, REQUEST, VERDICT, arrived

TEXTS = st.text(max_size=6)
SAID = st.fixed_dictionaries(
    {
        "video_id": TEXTS,
        "task": st.sampled_from(TASKS),
        "query": st.none() | TEXTS,
        "value": st.integers(0, 3),
        "rater": TEXTS,
        "adjudicated": st.booleans(),
        "labelled_at": st.none() | TEXTS,
    }
)


def test_requests_and_labels_survive_the_wire() -> None:
    assert parse_request(arrived(request_message(REQUEST, "asked"))) == REQUEST
    assert parse_label(arrived(label_message(LABEL, "said"))) == LABEL


def test_they_are_keyed_by_their_video_and_named_by_their_ids() -> None:
    asked, said = request_message(REQUEST, "asked"), label_message(LABEL, "said")
    assert asked.key == said.key == b"v-1"
    assert dict(asked.headers)["ce_id"] == REQUEST.request_id.encode()
    assert dict(asked.headers)["ce_type"] == b"moderation.label.requested.v1"
    assert dict(said.headers)["ce_id"] == LABEL.label_id.encode()
    assert dict(said.headers)["ce_type"] == b"moderation.label.applied.v1"


def test_what_is_something_else_is_none() -> None:
    asked, said = arrived(request_message(REQUEST, "t")), arrived(label_message(LABEL, "t"))
    verdict = arrived(verdict_message(VERDICT, "t"))
    assert (parse_label(asked), parse_request(said)) == (None, None)
    assert (parse_label(verdict), parse_request(verdict), parse_verdict(said)) == (None, None, None)
    for value in (None, b"", b"\xff", b"{}", b"[" * 100_000):
        assert parse_label(replace(said, value=value)) is None
        assert parse_request(replace(asked, value=value)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"value": 4},
        {"value": -1},
        {"value": 0.5},
        {"value": True},
        {"rater": "jane@example.com"},
        {"rater": ""},
        {"task": "beauty"},
        {"label_id": "short"},
        {"labelled_at": "yesterday"},
        {"video_id": "a\nb"},
    ],
)
def test_a_label_that_cannot_be_is_none_to_parser_and_schema_alike(changes: dict[str, Any]) -> None:
    value = {**msgspec.to_builtins(LABEL), **changes}
    message = replace(arrived(label_message(LABEL, "t")), value=json.dumps(value).encode())
    assert parse_label(message) is None
    assert list(Draft202012Validator(json_schema("moderation.label.applied.v1")).iter_errors(value)) != []


def test_only_relevance_has_grades() -> None:
    for task, highest in HIGHEST_VALUE.items():
        fine = msgspec.structs.replace(LABEL, task=task, value=highest)
        assert parse_label(arrived(label_message(fine, "t"))) == fine
        value = {**msgspec.to_builtins(fine), "value": highest + 1}
        assert parse_label(replace(arrived(label_message(fine, "t")), value=json.dumps(value).encode())) is None
    with pytest.raises(ValueError, match="value: came 2, expected 0 to 1 for adult"):
        Label(**{**msgspec.structs.asdict(LABEL), "task": Task.ADULT, "value": 2})


def test_records_fit_their_schemas() -> None:
    for name, record in (("requested", REQUEST), ("applied", LABEL)):
        validator = Draft202012Validator(json_schema(f"moderation.label.{name}.v1"))
        assert list(validator.iter_errors(json.loads(msgspec.json.encode(record)))) == []


def test_ids_are_the_same_for_ever() -> None:
    """Consumers keep these: another algorithm is another contract."""
    assert request_id("v", Task.ADULT, None, "bundle") == PINNED_REQUEST
    said = {"video_id": "v", "task": Task.ADULT, "query": None, "value": 1, "rater": "r"}
    assert label_id(**said, adjudicated=False, labelled_at=None) == PINNED_LABEL  # type: ignore[arg-type]


@given(SAID, SAID)
def test_label_ids_are_equal_exactly_when_the_same_was_said(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert (label_id(**left) == label_id(**right)) == (left == right)


PINNED_REQUEST = "8b4a6d31b56a997cc5bb037b7ffc85628b7fe76295f3de915c498ff38f7e67d7"
PINNED_LABEL = "296614dbf7e1e5deb0984a02ce7e4b9ac6ac05cb39fbeaa92a208bd03f92f1eb"
